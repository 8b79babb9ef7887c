"""The geometry of sequence diagrams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amaze_app import diagram
from amaze_proxy.control.sequence import sequence
from amaze_proxy.policy.record import AuditRecord
from tests.control.test_sequence import CONVERSATION, call


def test_a_conversation() -> None:
    found = diagram.draw(sequence(CONVERSATION), 100)
    assert [one.id for one in found.lanes] == [
        *("user", "agent:a", "agent:b", "llm:openai", "mcp:srv"),
    ]
    assert [one.number for one in found.arrows] == [0, 1, 2, 3, 4, 5]
    message, asked, *_, refused, last = found.arrows
    assert (message.text, message.about) == ("message", "Message: user to a")
    assert asked.about == "Step 1: a to openai, gpt, allowed"
    assert refused.about == "Step 4: b to srv, srv/x, denied, no"
    assert (refused.color, last.color) == ("var(--bad)", "var(--good)")
    assert "l8 8" in refused.head  # a cross before the callee, not a point at it
    assert found.height > last.top > asked.top >= 0


def test_a_shadow_is_dashed_and_an_error_has_a_colour_of_its_own() -> None:
    records = [call(1, "a", "llm", would_deny="x"), call(2, "a", "llm", error="e")]
    _, shadow, error = diagram.draw(sequence(records), 9).arrows
    assert (shadow.dash, error.dash) == ("5 4", "none")
    assert shadow.color != error.color
    assert "x" in shadow.about


def test_an_agent_that_calls_itself() -> None:
    for denied in (False, True):
        found = diagram.draw(sequence([call(1, "a", "a2a", target="a", denied=denied)]), 9)
        assert found.arrows[-1].line.endswith("H254")
        assert found.width > 2 * diagram.LANE


def test_as_many_as_asked_for_and_their_lanes_alone() -> None:
    found = diagram.draw(sequence(CONVERSATION), 1)
    assert [one.id for one in found.lanes] == ["user", "agent:a", "llm:openai"]
    assert diagram.draw(sequence([]), 9) == diagram.Diagram(height=2 * diagram.TOP)


names = st.text(max_size=60)
records = st.builds(
    AuditRecord,
    decision_id=names,
    ts=st.integers(0, 10**13),
    agent_id=names,
    kind=st.sampled_from(["llm", "a2a", "mcp", "http", "unknown"]),
    target=names,
    tool=names,
    turn_id=names,
    span_id=names,
    parent_span_id=names,
    denied=st.booleans(),
    would_deny=names,
)


@given(st.lists(records, max_size=12), st.integers(1, 12))
def test_all_is_inside(calls: list[AuditRecord], most: int) -> None:
    found = diagram.draw(sequence(calls), most)
    assert [one.number for one in found.arrows if one.number] == [
        *range(1, min(len(calls), most) + 1)
    ]
    for arrow in found.arrows:
        assert 0 <= arrow.left <= arrow.left + arrow.width <= found.width + diagram.LANE
        assert 0 <= arrow.top < found.height
        assert len(arrow.text) < 40 + len(found.lanes) * diagram.LANE
