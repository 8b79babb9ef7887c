from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.policy_diff import Change, ChangeKind, diff
from amaze_proxy.policy.model import Policy, parse_policy

ADDED, REMOVED = ChangeKind.ADDED, ChangeKind.REMOVED
CHANGED, REORDERED = ChangeKind.CHANGED, ChangeKind.REORDERED
STEP = {"step_id": 1, "call_type": "tool", "callee_id": "a", "max_loops": 2}
OTHER = {"step_id": 2, "call_type": "llm", "callee_id": "*"}


def strict(*steps):
    return {"mode": "strict", "graph": {"start_step": 1, "steps": list(steps)}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            {"max_tokens_per_turn": 5},
            {"max_tokens_per_turn": 7},
            [("max_tokens_per_turn", CHANGED, 5, 7)],
        ),
        ({"name": "p"}, {}, [("name", CHANGED, "p", "")]),
        (
            {"allowed_tools": ["a", "b"]},
            {"allowed_tools": ["c", "a"]},
            [("allowed_tools", REMOVED, "b", None), ("allowed_tools", ADDED, None, "c")],
        ),
        (
            {"allowed_tools": ["a", "b"]},
            {"allowed_tools": ["b", "a"]},
            [("allowed_tools", REORDERED, ["a", "b"], ["b", "a"])],
        ),
        ({}, {"allowed_callers": []}, [("allowed_callers", ADDED, None, [])]),
        (
            {"tool_rules": {"s/t.x": {"p": {"equals": 1}, "q": {"max_length": 3}}}},
            {"tool_rules": {"s/t.x": {"p": {"equals": True}}}},
            [
                ("tool_rules.s/t.x.p.equals", CHANGED, 1, True),
                ("tool_rules.s/t.x.q", REMOVED, {"max_length": 3}, None),
            ],
        ),
        (
            {"token_rate_limits": [{"window": "10m", "max_tokens": 5}]},
            {
                "token_rate_limits": [
                    {"window": "1h", "max_tokens": 9},
                    {"window": "10m", "max_tokens": 6},
                ]
            },
            [
                ("token_rate_limits[window=10m].max_tokens", CHANGED, 5, 6),
                (
                    "token_rate_limits[window=1h]",
                    ADDED,
                    None,
                    {"window": "1h", "max_tokens": 9},
                ),
            ],
        ),
        (
            strict({**STEP, "next_steps": [2]}, OTHER),
            strict(OTHER, {**STEP, "max_loops": 3}),
            [
                ("graph.steps[step_id=1].max_loops", CHANGED, 2, 3),
                ("graph.steps[step_id=1].next_steps", REMOVED, 2, None),
                ("graph.steps", REORDERED, ["1", "2"], ["2", "1"]),
            ],
        ),
        (
            strict(STEP, OTHER),
            strict(STEP),
            [
                (
                    "graph.steps[step_id=2]",
                    REMOVED,
                    {**OTHER, "max_loops": 0, "next_steps": []},
                    None,
                )
            ],
        ),
    ],
)
def test_each_kind_of_difference(old, new, expected) -> None:
    assert diff(parse_policy(old), parse_policy(new)) == tuple(Change(*one) for one in expected)


NAMES = st.lists(st.sampled_from("abc"), max_size=3)
POLICIES = st.builds(
    Policy,
    name=st.sampled_from(["", "p"]),
    max_tokens_per_turn=st.integers(0, 2),
    allowed_tools=NAMES,
    allowed_callers=st.lists(st.sampled_from("ab"), max_size=2),
)


@given(POLICIES, POLICIES)
def test_there_is_a_difference_exactly_where_policies_differ(old, new) -> None:
    changes = diff(old, new)
    assert bool(changes) == (old != new)
    swap = {ADDED: REMOVED, REMOVED: ADDED}
    back = {
        (one.path, swap.get(one.kind, one.kind), repr(one.new), repr(one.old)) for one in changes
    }
    assert back == {(one.path, one.kind, repr(one.old), repr(one.new)) for one in diff(new, old)}
