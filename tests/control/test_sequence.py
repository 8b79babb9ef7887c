"""A trace as a sequence diagram: who, in which order, and what came of what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.sequence import USER, Edge, Limit, sequence
from amaze_proxy.policy.record import AuditRecord


def call(number: int, agent_id: str, kind: str, parent: str = "", **more: object) -> AuditRecord:
    found = AuditRecord(f"d{number}", number * 1000, agent_id, kind, **more)  # type: ignore[arg-type]
    found.span_id, found.parent_span_id, found.trace_id = f"s{number}", parent, "t"
    found.turn_id = found.turn_id or f"turn-{agent_id}"
    return found


CONVERSATION = [
    call(1, "a", "llm", provider="openai", target="api.openai.com", model="gpt", tokens_in=3),
    call(2, "a", "a2a", target="b", path="/"),
    call(3, "b", "llm", parent="s2", provider="openai", target="api.openai.com", model="gpt"),
    call(4, "b", "mcp", parent="s2", target="srv", tool="srv/x", denied=True, denial_reason="no"),
    call(5, "a", "llm", provider="openai", target="api.openai.com", model="gpt", tokens_out=4),
]


def test_a_conversation_over_two_agents() -> None:
    found = sequence(CONVERSATION)
    assert [one.id for one in found.participants] == [
        *("user", "agent:a", "agent:b", "llm:openai", "mcp:srv"),
    ]
    assert [(one.came_from, one.went_to, one.label) for one in found.steps] == [
        ("agent:a", "llm:openai", "gpt"),
        ("agent:a", "agent:b", "/"),
        ("agent:b", "llm:openai", "gpt"),
        ("agent:b", "mcp:srv", "srv/x"),
        ("agent:a", "llm:openai", "gpt"),
    ]
    assert [(one.parent, one.depth) for one in found.steps] == [
        *((None, 0), (None, 0), ("d2", 1), ("d2", 1), (None, 0)),
    ]
    assert [(one.came_from, one.went_to, one.parent) for one in found.turns] == [
        (USER, "agent:a", None),
        ("agent:a", "agent:b", "d2"),
    ]
    assert Edge("agent:a", "llm:openai", 2, 0, 7, 0) in found.edges
    assert [(one.number, one.effect, one.reason) for one in found.violations] == [
        (4, "denied", "no")
    ]


def test_a_call_is_named_by_what_says_most_of_it() -> None:
    found = sequence(
        [
            call(1, "a", "a2a", target="b", method="message/send", path="/"),
            call(2, "a", "mcp", target="srv", method="tools/list", path="/mcp"),
            call(3, "a", "http", target="h", method="GET", path="/v1/data"),
            call(4, "a", "http", target="h"),
        ]
    )
    labels = [step.label for step in found.steps]
    assert labels == ["message/send", "tools/list", "GET /v1/data", ""]


def test_each_reason_is_a_violation_once() -> None:
    found = sequence([call(1, "a", "llm", would_deny="x", alert="x,y", policy_version=3)])
    assert [(one.effect, one.reason, one.policy_version) for one in found.violations] == [
        ("shadow", "x", 3),
        ("alert", "y", 3),
    ]


def test_verdicts() -> None:
    cases: list[tuple[dict[str, object], str]] = [
        ({}, "allowed"),
        ({"error": "e"}, "error"),
        ({"error": "e", "alert": "a"}, "alert"),
        ({"alert": "a", "would_deny": "w"}, "shadow"),
        ({"would_deny": "w", "denied": True}, "denied"),
    ]
    for more, verdict in cases:
        assert sequence([call(1, "a", "llm", **more)]).steps[0].verdict == verdict


def test_limits_before_and_with_a_step() -> None:
    first = call(1, "a", "llm", limits='[["tokens",10,4]]')
    other = call(2, "b", "llm", limits='[["tokens",10,9]]')
    second = call(3, "a", "llm", limits='[["tokens",10,7],["calls",5,1]]')
    steps = sequence([first, other, second]).steps
    assert steps[0].limits == (Limit("tokens", 10, None, 4),)
    assert steps[2].limits == (Limit("tokens", 10, 4, 7), Limit("calls", 5, None, 1))


def test_limits_that_nobody_can_read_are_left_out() -> None:
    for text in ("", "{", "[1]", '[["a"]]', '[["a","x",1]]', "7"):
        assert sequence([call(1, "a", "llm", limits=text)]).steps[0].limits == ()


def test_a_call_of_no_kind_has_a_lane() -> None:
    (step,) = sequence([call(1, "a", "unknown")]).steps
    assert step.went_to == "unknown:unknown"


def test_a_call_without_a_turn_opens_none() -> None:
    record = call(1, "a", "llm")
    record.turn_id = record.span_id = ""
    assert sequence([record]).turns == ()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_spans_that_make_a_circle_end(spans: list[tuple[int, int]]) -> None:
    records = []
    for number, (span, parent) in enumerate(spans):
        record = call(number, "a", "llm")
        record.span_id, record.parent_span_id = f"s{span}", f"s{parent}"
        records.append(record)
    found = sequence(records)
    assert [one.number for one in found.steps] == list(range(1, len(records) + 1))
    assert all(one.depth <= 6 for one in found.steps)
    lanes = {one.id for one in found.participants}
    assert all({one.came_from, one.went_to} <= lanes for one in found.steps)
