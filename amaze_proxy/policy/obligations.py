"""What a policy obliges the enforcement point to, for one call that it lets pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from amaze_proxy.policy.decision import GraphMove, Limit, Obligations
from amaze_proxy.policy.model import Enforcement, OnBreach, Policy, Streaming
from amaze_proxy.policy.request import AgentCall, LlmCall, Resource, ToolCall
from amaze_proxy.policy.usage import Measure


def obligations(resource: Resource, policy: Policy, due: GraphMove | None) -> Obligations:
    """Limits to reserve from, the order to keep, and what to do with the request.

    `due`: the steps of the graph that the call could be. In shadow mode the request is left as it
    is, because nothing may change for the agent.
    """
    common = Obligations(
        limits=tuple(limits(resource, policy)),
        graph=due if due and due.candidates else None,
        budget_blocks=policy.on_budget_exceeded is OnBreach.BLOCK,
        violation_blocks=policy.on_violation is OnBreach.BLOCK,
    )
    if policy.enforcement is Enforcement.SHADOW:
        return replace(common, shadow=True)
    return replace(
        common,
        # where a budget does not block, there is nothing to cut an answer to
        lower_output_limit=policy.hard_budgets and common.budget_blocks,
        block_streaming=policy.streaming is Streaming.BLOCK,
    )


def limits(resource: Resource, policy: Policy) -> Iterator[Limit]:
    """The limits that a call of this kind counts against: first the turn's, then the windows'."""
    match resource:
        case LlmCall():
            yield from _llm_limits(policy)
        case ToolCall() if policy.max_tool_calls_per_turn:
            yield Limit("tool_calls", Measure.TOOL_CALLS, policy.max_tool_calls_per_turn)
        case AgentCall() if policy.max_agent_calls_per_turn:
            yield Limit("agent_calls", Measure.AGENT_CALLS, policy.max_agent_calls_per_turn)
        case _:
            return


def _llm_limits(policy: Policy) -> Iterator[Limit]:
    if policy.max_tokens_per_turn:
        yield Limit("tokens", Measure.TOKENS, policy.max_tokens_per_turn)
    if policy.max_cost_microusd_per_turn:
        yield Limit("cost", Measure.COST, policy.max_cost_microusd_per_turn)
    for tokens in policy.token_rate_limits:
        if tokens.max_tokens:
            name = f"tokens:{tokens.window}"
            yield Limit(name, Measure.TOKENS, tokens.max_tokens, tokens.window_ms)
    for cost in policy.cost_rate_limits:
        if cost.max_microusd:
            name = f"cost:{cost.window}"
            yield Limit(name, Measure.COST, cost.max_microusd, cost.window_ms)
