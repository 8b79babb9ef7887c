"""Strict mode: where a turn stands in its graph, and which call may come next.

A turn has a position (the step that ran last, or none yet) and counts how often each step ran.
Runs are counted for the whole turn, so that a cycle of steps ends too. A call is judged so:

1. If it matches the current step, that step may run again (a loop).
2. Otherwise any matching step that may follow the position: the start step when there is no
   position yet, the current step's `next_steps` after that. The policy's order decides.
3. In both cases only a step that ran less than `max_loops` times (0 = any number).

If a step could be reached but is used up: `edge_loop_exceeded`. If none could: `graph_violation`.
Calls of a type that no step of the graph has are outside of it, and do not move the position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from amaze_proxy.policy.decision import GraphMove, GraphStep, Reason
from amaze_proxy.policy.names import ANY, covers_model, is_member
from amaze_proxy.policy.request import AgentCall, LlmCall, ToolCall
from amaze_proxy.policy.steps import CallType, Graph, Step
from amaze_proxy.policy.usage import Usage

GraphCall = LlmCall | ToolCall | AgentCall
"""The calls that a graph can order."""


@dataclass(frozen=True, slots=True)
class Advance:
    """The call runs `step_id`, for the `run`-th time in this turn."""

    step_id: int
    run: int


@dataclass(frozen=True, slots=True)
class Misstep:
    """The call is not the one that is due; `expected` says which would be."""

    reason: Reason
    expected: str


def call_type(call: GraphCall) -> CallType:
    """What a graph calls this type of call."""
    match call:
        case LlmCall():
            return CallType.LLM
        case ToolCall():
            return CallType.TOOL
        case AgentCall():
            return CallType.AGENT
        case _:
            assert_never(call)


def governs(graph: Graph, call: GraphCall) -> bool:
    """Whether the graph has calls of this type; other types are outside of it."""
    return any(step.call_type is call_type(call) for step in graph.steps)


def move(graph: Graph, call: GraphCall, listed: bool) -> GraphMove:
    """The steps that the call could be.

    `listed`: the policy's lists allow the model, so that a step for any provider (`*`), which
    names none, can be this call.
    """
    candidates = tuple(
        GraphStep(step.step_id, _after(graph, step.step_id), step.max_loops)
        for step in graph.steps
        if _matches(step, call) and (listed or not _names_no_provider(step))
    )
    return GraphMove(candidates, graph.expected)


def step(due: GraphMove, usage: Usage) -> Advance | Misstep:
    """Where the call takes the turn, or why it may not come now."""
    at = usage.step
    loop = [one for one in due.candidates if one.step_id == at]
    reachable = loop + [one for one in due.candidates if at in one.after]
    for one in reachable:
        runs = usage.loops.get(one.step_id, 0)
        if not one.max_loops or runs < one.max_loops:
            return Advance(one.step_id, runs + 1)
    reason = Reason.EDGE_LOOP_EXCEEDED if reachable else Reason.GRAPH_VIOLATION
    # the policy may have changed in the middle of the turn
    lost = f"nothing: the turn stands at step {at}, which this graph does not have"
    return Misstep(reason, dict(due.expected).get(at, lost))


def _matches(one: Step, call: GraphCall) -> bool:
    if one.call_type is not call_type(call):
        return False
    match call:
        case LlmCall(provider=provider, model=model):
            return covers_model(one.callee_id, provider, model)
        case ToolCall(server=server, tool=tool):
            return is_member((one.callee_id,), server, tool)
        case AgentCall(callee=callee):
            return one.callee_id == callee
        case _:
            assert_never(call)


def _names_no_provider(one: Step) -> bool:
    return one.call_type is CallType.LLM and one.callee_id.partition("/")[0] == ANY


def _after(graph: Graph, step_id: int) -> tuple[int | None, ...]:
    start: tuple[int | None, ...] = (None,) if graph.start_step == step_id else ()
    before = (
        one.step_id for one in graph.steps if step_id in one.next_steps and one.step_id != step_id
    )
    return (*start, *before)
