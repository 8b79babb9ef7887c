"""One call as it is judged."""

from __future__ import annotations

from amaze_proxy.pipeline.asking import Attempt, TurnClaim
from amaze_proxy.pipeline.conversation import Conversation


def test_a_call_without_a_turn_belongs_to_the_ambient_one() -> None:
    assert TurnClaim().ambient
    assert not TurnClaim("turn-1", "trace").ambient


def test_a_signed_turn_says_its_conversation() -> None:
    turn = TurnClaim("turn-1", "trace", "span", 2)
    assert turn.conversation == Conversation("trace", "span", 2)


def test_nothing_was_tried_yet() -> None:
    assert Attempt().admission is None
    assert Attempt().hopped == ""
