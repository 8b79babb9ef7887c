"""What a policy obliges the enforcement point to, for one call that it lets pass."""

from __future__ import annotations

from amaze_proxy.policy.decision import GraphMove, Limit, Obligations
from amaze_proxy.policy.model import Enforcement, OnBreach, Policy, Streaming
from amaze_proxy.policy.request import AgentCall, LlmCall, Resource, ToolCall
from amaze_proxy.policy.usage import Measure


def obligations(resource: Resource, policy: Policy, due: GraphMove | None) -> Obligations:
    """Limits to reserve from, the order to keep, and what to do with the request.

    `due`: the steps of the graph that the call could be. In shadow mode the request is left as it
    is, because nothing may change for the agent.
    """
    shadow = policy.enforcement is Enforcement.SHADOW
    budget_blocks = policy.on_budget_exceeded is OnBreach.BLOCK
    return Obligations(
        limits=limits(resource, policy),
        graph=due if due and due.candidates else None,
        budget_blocks=budget_blocks,
        violation_blocks=policy.on_violation is OnBreach.BLOCK,
        # where a budget does not block, there is nothing to cut an answer to
        lower_output_limit=policy.hard_budgets and budget_blocks and not shadow,
        block_streaming=policy.streaming is Streaming.BLOCK and not shadow,
        shadow=shadow,
    )


def limits(resource: Resource, policy: Policy) -> tuple[Limit, ...]:
    """The limits that a call of this kind counts against: first the turn's, then the windows'."""
    match resource:
        case LlmCall():
            return policy.llm_limits
        case ToolCall() if policy.max_tool_calls_per_turn:
            return (Limit("tool_calls", Measure.TOOL_CALLS, policy.max_tool_calls_per_turn),)
        case AgentCall() if policy.max_agent_calls_per_turn:
            return (Limit("agent_calls", Measure.AGENT_CALLS, policy.max_agent_calls_per_turn),)
        case _:
            return ()
