from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.decision import GraphMove, GraphStep, Reason
from amaze_proxy.policy.graph import Advance, GraphCall, Misstep, call_type, governs, move, step
from amaze_proxy.policy.request import AgentCall, LlmCall, ToolCall
from amaze_proxy.policy.steps import CallType, Graph
from amaze_proxy.policy.usage import Usage


def graph(*steps: tuple[int, str, str, int, list[int]], start: int = 1) -> Graph:
    names = ("step_id", "call_type", "callee_id", "max_loops", "next_steps")
    return Graph.model_validate(
        {"start_step": start, "steps": [dict(zip(names, one, strict=True)) for one in steps]}
    )


def tool(name: str, server: str = "s") -> ToolCall:
    return ToolCall(server, name, {})


CALLS: dict[CallType, GraphCall] = {
    CallType.TOOL: tool("t"),
    CallType.AGENT: AgentCall("a"),
    CallType.LLM: LlmCall("p", "m"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_a_graph_governs_the_types_it_has(kind: CallType) -> None:
    only = graph((1, kind, "x", 1, []))
    assert call_type(CALLS[kind]) is kind
    for other, call in CALLS.items():
        assert governs(only, call) is (other is kind)


def test_candidates_are_in_the_policys_order_with_what_they_may_follow() -> None:
    due = move(
        graph(
            (3, "tool", "t", 2, [1, 3]),
            (1, "tool", "t", 0, [3]),
            (2, "tool", "u", 1, [1, 3]),
        ),
        tool("t"),
        listed=False,
    )
    assert due.candidates == (GraphStep(3, (1, 2), 2), GraphStep(1, (None, 3, 2), 0))
    assert dict(due.expected)[None] == "tool t (step 1)"


@pytest.mark.parametrize(
    ("callee", "call", "listed", "is_candidate"),
    [
        ("p", LlmCall("p", "m"), False, True),
        ("p/m*", LlmCall("p", "m1"), False, True),
        ("p/m*", LlmCall("p", "n"), True, False),
        ("*", LlmCall("p", "m"), True, True),
        ("*", LlmCall("p", "m"), False, False),
        ("*/m", LlmCall("p", "m"), False, False),
        ("*/m", LlmCall("p", "m"), True, True),
    ],
)
def test_a_step_for_any_provider_needs_the_lists(
    callee: str, call: LlmCall, listed: bool, is_candidate: bool
) -> None:
    due = move(graph((1, "llm", callee, 1, [])), call, listed)
    assert bool(due.candidates) is is_candidate


def test_a_step_is_of_one_type() -> None:
    mixed = graph((1, "tool", "bob", 1, []), (2, "agent", "bob", 1, []))
    assert [c.step_id for c in move(mixed, AgentCall("bob"), False).candidates] == [2]


AB = graph((1, "tool", "a", 2, [2]), (2, "tool", "b", 1, [1]))
A, B = move(AB, tool("a"), False), move(AB, tool("b"), False)


@pytest.mark.parametrize(
    ("due", "usage", "outcome"),
    [
        (A, Usage(), Advance(1, 1)),
        (B, Usage(), Misstep(Reason.GRAPH_VIOLATION, "tool a (step 1)")),
        (A, Usage(step=1, loops={1: 1}), Advance(1, 2)),
        (
            A,
            Usage(step=1, loops={1: 2}),
            Misstep(Reason.EDGE_LOOP_EXCEEDED, "tool a (step 1) or tool b (step 2)"),
        ),
        (B, Usage(step=1, loops={1: 1}), Advance(2, 1)),
        (A, Usage(step=2, loops={1: 1, 2: 1}), Advance(1, 2)),
        (
            A,
            Usage(step=2, loops={1: 2, 2: 1}),
            Misstep(Reason.EDGE_LOOP_EXCEEDED, "tool a (step 1)"),
        ),
        (
            A,
            Usage(step=9),
            Misstep(
                Reason.GRAPH_VIOLATION,
                "nothing: the turn stands at step 9, which this graph does not have",
            ),
        ),
        (GraphMove((), ((None, "x"),)), Usage(), Misstep(Reason.GRAPH_VIOLATION, "x")),
    ],
)
def test_step(due: GraphMove, usage: Usage, outcome: Advance | Misstep) -> None:
    assert step(due, usage) == outcome


def test_a_loop_comes_before_a_next_step_and_the_first_with_room_is_taken() -> None:
    same = graph((1, "tool", "a", 1, [3, 2]), (2, "tool", "a", 1, []), (3, "tool", "a", 0, []))
    due = move(same, tool("a"), False)
    assert step(due, Usage(step=3, loops={3: 50})) == Advance(3, 51)
    assert step(due, Usage(step=1, loops={1: 1})) == Advance(2, 1)
    assert step(due, Usage(step=1, loops={1: 1, 2: 1})) == Advance(3, 1)


NAMES = ["a", "b"]


@st.composite
def graphs(draw: st.DrawFn, least_loops: int = 0) -> Graph:
    count = draw(st.integers(1, 4))
    numbers = st.integers(1, count)
    return graph(
        *(
            (
                n,
                "tool",
                draw(st.sampled_from(NAMES)),
                draw(st.integers(least_loops, 3)),
                draw(st.lists(numbers, unique=True)),
            )
            for n in range(1, count + 1)
        ),
        start=draw(numbers),
    )


def played(over: Graph, calls: list[str]) -> list[int]:
    """The steps that the allowed ones of these calls run."""
    usage, path = Usage(), []
    for name in calls:
        taken = step(move(over, tool(name), False), usage)
        if isinstance(taken, Advance):
            path.append(taken.step_id)
            usage = replace(
                usage, step=taken.step_id, loops={**usage.loops, taken.step_id: taken.run}
            )
    return path


@given(graphs(), st.lists(st.sampled_from(NAMES), max_size=20))
def test_a_turn_walks_along_the_edges_and_within_the_loops(over: Graph, calls: list[str]) -> None:
    path = played(over, calls)
    steps = {one.step_id: one for one in over.steps}
    assert path[:1] in ([], [over.start_step])
    for before, after in pairwise(path):
        assert after == before or after in steps[before].next_steps
    for number in set(path):
        most: Any = steps[number].max_loops or len(calls)
        assert path.count(number) <= most


@given(graphs(least_loops=1))
def test_a_graph_without_unlimited_steps_ends(over: Graph) -> None:
    path = played(over, NAMES * 20)
    assert len(path) <= sum(one.max_loops for one in over.steps)
