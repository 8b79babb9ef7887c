"""What a valid policy probably does not mean to say: names that nobody has, rules without effect.

Advice only: a policy may be written before its agents and servers are there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from amaze_proxy.control.naming import BUILT_IN_PROVIDERS
from amaze_proxy.policy.model import CostRateLimit, Policy, TokenRateLimit
from amaze_proxy.policy.names import ANY
from amaze_proxy.policy.steps import CallType, Graph

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What the installation has. `servers`: their tools by name, none where they are not known."""

    providers: frozenset[str] = BUILT_IN_PROVIDERS
    agents: frozenset[str] = frozenset()
    servers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warn:
    """A field (as in `Problem`) and what may be wrong with it."""

    field: str
    message: str


def warnings(policy: Policy, known: Known) -> tuple[Warn, ...]:
    """Everything worth a second look."""
    return (
        *_providers(policy, known.providers),
        *_agents(policy, known.agents),
        *_tools(policy, known.servers),
        *_rules_without_tool(policy),
        *_graph(policy),
        *_limits("tokens", _token_windows(policy), policy.max_tokens_per_turn),
        *_limits("cost", _cost_windows(policy), policy.max_cost_microusd_per_turn),
    )


def _providers(policy: Policy, known: frozenset[str]) -> Iterator[Warn]:
    for at, name in _each("allowed_llm_providers", policy.allowed_llm_providers):
        if name not in known:
            yield Warn(at, f"no LLM provider or host is called {name!r}")
    for at, pattern in _each("allowed_models", policy.allowed_models):
        owner = pattern.partition("/")[0]
        if owner not in (ANY, *policy.allowed_llm_providers):
            yield Warn(at, f"grants nothing: {owner!r} is not in allowed_llm_providers")
    for at, callee in _callees(policy, CallType.LLM):
        owner = callee.partition("/")[0]
        if owner not in (ANY, *known):
            yield Warn(at, f"no LLM provider or host is called {owner!r}")


def _agents(policy: Policy, known: frozenset[str]) -> Iterator[Warn]:
    named = (
        *_each("allowed_agents", policy.allowed_agents),
        *_each("allowed_callers", policy.allowed_callers or ()),
        *_callees(policy, CallType.AGENT),
    )
    for at, name in named:
        if name not in known:
            yield Warn(at, f"no agent is called {name!r}")


def _tools(policy: Policy, servers: Mapping[str, frozenset[str]]) -> Iterator[Warn]:
    named = (
        *_each("allowed_tools", policy.allowed_tools),
        *((f"tool_rules.{name}", name) for name in policy.tool_rules),
        *_callees(policy, CallType.TOOL),
    )
    for at, name in named:
        if message := _tool_fault(name, servers):
            yield Warn(at, message)
    for at, name in _each("allowed_prompts", policy.allowed_prompts):
        if "/" in name and (message := _server_fault(name.partition("/")[0], servers)):
            yield Warn(at, message)
    for at, name in _each("allowed_resources", policy.allowed_resources):
        owner = name.partition("/")[0]
        if owner != ANY and (message := _server_fault(owner, servers)):
            yield Warn(at, message)


def _tool_fault(name: str, servers: Mapping[str, frozenset[str]]) -> str:
    server, slash, tool = name.partition("/")
    if not slash:
        # a server that did not say its tools may have any
        told = all(servers.values())
        return f"no MCP server has a tool {name!r}" if told and not _has(servers, name) else ""
    if fault := _server_fault(server, servers):
        return fault
    tools = servers[server]
    return f"MCP server {server!r} has no tool {tool!r}" if tools and tool not in tools else ""


def _server_fault(server: str, servers: Collection[str]) -> str:
    return "" if server in servers else f"no MCP server is called {server!r}"


def _has(servers: Mapping[str, frozenset[str]], tool: str) -> bool:
    return any(tool in tools for tools in servers.values())


def _rules_without_tool(policy: Policy) -> Iterator[Warn]:
    granted = (*policy.allowed_tools, *(name for _, name in _callees(policy, CallType.TOOL)))
    bare = {name.partition("/")[2] or name for name in granted}
    for name in policy.tool_rules:
        server, _, tool = name.rpartition("/")
        allowed = name in granted or (tool in granted if server else name in bare)
        if not allowed:
            yield Warn(f"tool_rules.{name}", "no effect: the policy does not allow this tool")


def _graph(policy: Policy) -> Iterator[Warn]:
    graph = policy.graph
    if graph is None:
        return
    reached = _reachable(graph)
    for number, step in enumerate(graph.steps):
        if step.step_id not in reached:
            yield Warn(
                f"graph.steps[{number}]",
                f"step {step.step_id} is never reached from start_step {graph.start_step}",
            )
    types = {step.call_type for step in graph.steps}
    for name, listed, kind in (
        ("allowed_tools", policy.allowed_tools, CallType.TOOL),
        ("allowed_agents", policy.allowed_agents, CallType.AGENT),
    ):
        if listed and kind in types:
            yield Warn(name, f"no effect: the graph has {kind} steps, and they alone count")


def _reachable(graph: Graph) -> set[int]:
    following = {step.step_id: step.next_steps for step in graph.steps}
    reached: set[int] = set()
    ahead = [graph.start_step]
    while ahead:
        step_id = ahead.pop()
        if step_id not in reached:
            reached.add(step_id)
            ahead += following[step_id]
    return reached


Window = TokenRateLimit | CostRateLimit


def _limits(what: str, windows: Sequence[tuple[str, Window, int]], per_turn: int) -> Iterator[Warn]:
    """`windows`: where each is, itself, and its maximum (0: no limit)."""
    for at, window, most in windows:
        if 0 < most < per_turn:
            yield Warn(at, f"the {what} of {window.window} are fewer than those of one turn")
        longer = (
            other.window
            for _, other, allowed in windows
            if other.window_ms > window.window_ms and 0 < allowed <= most
        )
        if (found := next(longer, None)) is not None:
            yield Warn(at, f"no effect: the window of {found} allows no more than this one")


def _token_windows(policy: Policy) -> list[tuple[str, Window, int]]:
    found = _each("token_rate_limits", policy.token_rate_limits)
    return [(at, one, one.max_tokens) for at, one in found]


def _cost_windows(policy: Policy) -> list[tuple[str, Window, int]]:
    found = _each("cost_rate_limits", policy.cost_rate_limits)
    return [(at, one, one.max_microusd) for at, one in found]


def _each(name: str, entries: Iterable[T]) -> list[tuple[str, T]]:
    return [(f"{name}[{number}]", entry) for number, entry in enumerate(entries)]


def _callees(policy: Policy, kind: CallType) -> list[tuple[str, str]]:
    steps = policy.graph.steps if policy.graph else ()
    return [
        (f"graph.steps[{number}].callee_id", step.callee_id)
        for number, step in enumerate(steps)
        if step.call_type is kind
    ]
