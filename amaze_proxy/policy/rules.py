"""What a policy has against a call, apart from budgets and the order of calls.

Each rule yields a finding for what it refuses. No finding means that the policy grants the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from amaze_proxy.policy.argument import MISSING
from amaze_proxy.policy.decision import GraphMove, Reason
from amaze_proxy.policy.graph import GraphCall, call_type, governs, move
from amaze_proxy.policy.ids import host_matches
from amaze_proxy.policy.model import OnBreach, OnToolChange, Policy, UnknownPrice
from amaze_proxy.policy.names import (
    climbs,
    covers,
    covers_provider_tool,
    is_member,
)
from amaze_proxy.policy.request import (
    AccessRequest,
    AgentCall,
    AgentLook,
    ClientFeature,
    DiscoveryCall,
    HttpCall,
    LlmCall,
    PromptGet,
    Resource,
    ResourceRead,
    ServerAsk,
    ToolCall,
)

_MOST_SHOWN = 120
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a call.

    `message` what was refused and by which rule, `advice` what to do. `firm`: it is the callee's
    word, so that the caller's `on_violation: allow` or shadow mode does not lift it.
    """

    reason: Reason
    message: str
    advice: str = ""
    firm: bool = False


def findings(request: AccessRequest, policy: Policy, due: GraphMove | None) -> Iterator[Finding]:
    """Everything against the call, the weightiest first.

    `due`: the steps of the strict graph that the call could be; None: the graph has no say.
    """
    resource = request.resource
    match resource:
        case LlmCall():
            yield from _peer(resource, policy, due, _llm_lists(resource, policy))
            yield from _llm_terms(resource, policy)
        case ToolCall():
            yield from _peer(resource, policy, due, _tool_list(resource, policy))
            yield from _change(resource)
            yield from _arguments(resource, policy)
        case AgentCall():
            yield from _callers(resource, request.agent_id)
            yield from _peer(resource, policy, due, _agent_list(resource, policy))
            yield from _depth(resource, policy)
        case AgentLook():
            yield from _callers(resource, request.agent_id)
            yield from _look(resource, policy)
        case ResourceRead():
            yield from _resource_list(resource, policy)
        case PromptGet():
            yield from _prompt_list(resource, policy)
        case ServerAsk():
            yield from _server_ask(resource, policy)
        case HttpCall():
            yield from _host_list(resource, policy)
        case DiscoveryCall():
            pass
        case _:
            assert_never(resource)


def waived(reason: Reason, policy: Policy) -> bool:
    """Whether the policy lets a call pass in spite of this, with an alert."""
    match reason:
        case Reason.TOOL_CHANGED:
            return policy.on_tool_change is OnToolChange.ALERT
        case Reason.BUDGET_EXCEEDED | Reason.RATE_LIMIT_EXCEEDED:
            return policy.on_budget_exceeded is OnBreach.ALLOW
        case _:
            return policy.on_violation is OnBreach.ALLOW


def due_steps(resource: Resource, policy: Policy) -> GraphMove | None:
    """The steps of the graph that the call could be; None: the graph has no say in it."""
    if policy.graph is None or not isinstance(resource, GraphCall):
        return None
    if not governs(policy.graph, resource):
        return None
    listed = isinstance(resource, LlmCall) and llm_listed(resource, policy)
    return move(policy.graph, resource, listed)


def llm_listed(call: LlmCall, policy: Policy) -> bool:
    """Whether the flexible lists allow this provider and model."""
    return not any(_llm_lists(call, policy))


def _peer(
    call: GraphCall, policy: Policy, due: GraphMove | None, by_lists: Iterator[Finding]
) -> Iterator[Finding]:
    """The callee: by the graph if it has calls of this type, by the lists if not."""
    if due is None or policy.graph is None:
        yield from by_lists
    elif due.candidates:
        return  # a callee that a step names needs no list
    elif move(policy.graph, call, listed=True).candidates:
        yield from by_lists  # a step for any provider, which the lists do not allow
    else:
        steps = [str(step) for step in policy.graph.steps if step.call_type is call_type(call)]
        yield Finding(
            Reason.GRAPH_VIOLATION,
            f"no step of the execution graph {_of(policy)} is this call of {_callee(call)}",
            f"{_choice(steps)}, or have an operator add a step",
        )


def _llm_lists(call: LlmCall, policy: Policy) -> Iterator[Finding]:
    if call.provider not in policy.allowed_llm_providers:
        yield Finding(
            Reason.LLM_NOT_ALLOWED,
            f"LLM provider {_shown(call.provider)} is not in allowed_llm_providers {_of(policy)}",
            f"{_choice(policy.allowed_llm_providers)}, or have an operator add it",
        )
    models = policy.allowed_models
    if models and not any(covers(one, call.provider, call.model) for one in models):
        yield Finding(
            Reason.LLM_NOT_ALLOWED,
            f"{_callee(call)} is not in allowed_models {_of(policy)}",
            f"{_choice(models)}, or have an operator add it",
        )


def _llm_terms(call: LlmCall, policy: Policy) -> Iterator[Finding]:
    granted = policy.allowed_provider_tools
    for tool in call.provider_tools:
        if not any(covers_provider_tool(one, call.provider, tool) for one in granted):
            yield Finding(
                Reason.TOOL_NOT_ALLOWED,
                f"tool {_shown(tool)}, which runs at provider {_shown(call.provider)}, is not in "
                f"allowed_provider_tools {_of(policy)}",
                "leave it out of the request's tools, or have an operator add it",
            )
    if not call.price_known and policy.unknown_price is UnknownPrice.DENY:
        yield Finding(
            Reason.LLM_NOT_ALLOWED,
            f"the price of {_callee(call)} is not known, and unknown_price {_of(policy)} is deny",
            "use a model with a known price, or have an operator enter its price (AMAZE_PRICES)",
        )


def _tool_list(call: ToolCall, policy: Policy) -> Iterator[Finding]:
    if not is_member(policy.allowed_tools, call.server, call.tool):
        yield Finding(
            Reason.TOOL_NOT_ALLOWED,
            f"{_callee(call)} is not in allowed_tools {_of(policy)}",
            f"{_choice(policy.allowed_tools)}, or have an operator add it",
        )


def _change(call: ToolCall) -> Iterator[Finding]:
    if call.changed:
        yield Finding(
            Reason.TOOL_CHANGED,
            f"{_callee(call)} is not the tool that was accepted: its description or schema has "
            "changed, or it is new",
            f"have an operator look at it and accept it: `amaze mcp probe {call.server}`, then "
            f"`amaze mcp accept {call.server}`",
        )


def _arguments(call: ToolCall, policy: Policy) -> Iterator[Finding]:
    for name, rules in policy.tool_rules.items():
        if not is_member((name,), call.server, call.tool):
            continue
        for argument, rule in rules.items():
            # the value is not repeated: it may be a secret
            if broken := rule.broken_by(call.arguments.get(argument, MISSING)):
                yield Finding(
                    Reason.ARGUMENT_NOT_ALLOWED,
                    f"argument {_shown(argument)} of {_callee(call)} {broken}, "
                    f"by tool_rules {_of(policy)}",
                    "call the tool with an argument that fits the rule",
                )


def _callers(call: AgentCall | AgentLook, caller: str) -> Iterator[Finding]:
    if call.allowed_callers is not None and caller not in call.allowed_callers:
        yield Finding(
            Reason.NOT_ALLOWED,
            f"agent {_shown(call.callee)} does not take calls from agent {_shown(caller)}: "
            "it is not in allowed_callers of the callee's policy",
            "have the callee's operator add it there",
            firm=True,
        )


def _agent_list(call: AgentCall, policy: Policy) -> Iterator[Finding]:
    if call.callee not in policy.allowed_agents:
        yield Finding(
            Reason.NOT_ALLOWED,
            f"{_callee(call)} is not in allowed_agents {_of(policy)}",
            f"{_choice(policy.allowed_agents)}, or have an operator add it",
        )


def _look(call: AgentLook, policy: Policy) -> Iterator[Finding]:
    """Whoever may send a message at some point of its turn may look at any."""
    due = due_steps(AgentCall(call.callee), policy)
    if due is None or not due.candidates:
        yield from _agent_list(AgentCall(call.callee), policy)


def _depth(call: AgentCall, policy: Policy) -> Iterator[Finding]:
    if 0 < policy.max_agent_depth < call.depth:
        yield Finding(
            Reason.NOT_ALLOWED,
            f"this would be hop {call.depth} from agent to agent in one conversation; "
            f"max_agent_depth {_of(policy)} is {policy.max_agent_depth}",
            "let the agents answer instead of calling on, or have an operator raise it",
        )


def _resource_list(call: ResourceRead, policy: Policy) -> Iterator[Finding]:
    granted = policy.allowed_resources
    if climbs(call.uri) or not any(covers(one, call.server, call.uri) for one in granted):
        yield Finding(
            Reason.MCP_NOT_ALLOWED,
            f"resource {_shown(call.uri)} of MCP server {_shown(call.server)} is not in "
            f"allowed_resources {_of(policy)} (one with '..' in it never is)",
            f"{_choice(granted)}, or have an operator add it",
        )


def _prompt_list(call: PromptGet, policy: Policy) -> Iterator[Finding]:
    if not is_member(policy.allowed_prompts, call.server, call.prompt):
        yield Finding(
            Reason.MCP_NOT_ALLOWED,
            f"prompt {_shown(call.prompt)} of MCP server {_shown(call.server)} is not in "
            f"allowed_prompts {_of(policy)}",
            f"{_choice(policy.allowed_prompts)}, or have an operator add it",
        )


def _server_ask(call: ServerAsk, policy: Policy) -> Iterator[Finding]:
    granted = {
        ClientFeature.SAMPLING: policy.allow_sampling,
        ClientFeature.ELICITATION: policy.allow_elicitation,
    }
    if not granted[call.feature]:
        yield Finding(
            Reason.MCP_NOT_ALLOWED,
            f"{call.feature} for MCP server {_shown(call.server)} is not allowed: "
            f"allow_{call.feature} {_of(policy)} is false",
            f"have an operator set allow_{call.feature}",
        )


def _host_list(call: HttpCall, policy: Policy) -> Iterator[Finding]:
    if not any(host_matches(one, call.host) for one in policy.allowed_hosts):
        yield Finding(
            Reason.HOST_NOT_ALLOWED,
            f"host {_shown(call.host)} is not in allowed_hosts {_of(policy)}",
            f"{_choice(policy.allowed_hosts)}, or have an operator add it",
        )


def _callee(call: GraphCall) -> str:
    match call:
        case LlmCall(provider=provider, model=model):
            return f"model {_shown(f'{provider}/{model}')}"
        case ToolCall(server=server, tool=tool):
            return f"tool {_shown(tool)} of MCP server {_shown(server)}"
        case AgentCall(callee=callee):
            return f"agent {_shown(callee)}"
        case _:
            assert_never(call)


def _of(policy: Policy) -> str:
    return f"of policy {policy.name!r}" if policy.name else "of the agent's policy"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "…")


def _choice(names: Sequence[str]) -> str:
    if not names:
        return "none is allowed"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"allowed are {', '.join(names[:_MOST_NAMED])}{more}"
