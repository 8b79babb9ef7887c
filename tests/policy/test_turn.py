import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amaze_proxy.policy.ids import AGENT_ID
from amaze_proxy.policy.signing import encode, sign
from amaze_proxy.policy.turn import Turn, ambient_trace, mint, verify

KEY = b"k" * 32
TURN = Turn("agent-1", "turn_1", "a" * 32, "b" * 16, 1_700_000_000_000, 2)
TOKEN = mint(KEY, TURN)
ASCII = st.characters(codec="ascii")
HEX = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: set(text) != {"0"})
TURNS = st.builds(
    Turn,
    st.from_regex(AGENT_ID, fullmatch=True, alphabet=ASCII),
    st.text(string.ascii_letters + string.digits + "._:~-", min_size=1, max_size=128),
    HEX,
    st.just("") | HEX.map(lambda text: "1" + text[:15]),
    st.integers(0, 2**53),
    st.integers(0, 2**53),
)


def forged(payload: object) -> str:
    """A token with a good signature over a payload that `mint` would not make."""
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = f"t1.{encode(raw)}"
    return f"{head}.{sign(KEY, head)}"


@given(TURNS)
def test_a_minted_turn_is_verified(turn: Turn) -> None:
    token = mint(KEY, turn)
    assert verify(KEY, token) == turn
    assert len(token) < 600
    assert set(token) <= set(string.ascii_letters + string.digits + "._-")


def test_a_usual_token_is_short() -> None:
    assert len(TOKEN) < 200


def test_another_key_verifies_nothing() -> None:
    assert verify(b"x" * 32, TOKEN) is None


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_changed_character_is_noticed(at: int, character: str) -> None:
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    assert verify(KEY, changed) == (TURN if changed == TOKEN else None)


@pytest.mark.parametrize("cut", range(len(TOKEN)))
def test_a_cut_token_is_noticed(cut: int) -> None:
    assert verify(KEY, TOKEN[:cut]) is None
    assert verify(KEY, TOKEN[cut + 1 :]) is None


@given(st.text() | st.from_regex(r"t1\.[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]{43}", fullmatch=True))
@example("")
@example("t1..")
@example(TOKEN + "\n")
@example(TOKEN + "=")
@example(f"{TOKEN}, {TOKEN}")
@example(TOKEN.replace("t1", "t2", 1))
@example("t1." + "A" * 100_000 + "." + "A" * 43)
def test_what_was_not_minted_is_none(text: str) -> None:
    assert verify(KEY, text) is None


def test_the_last_character_has_one_spelling() -> None:
    # its two spare bits would give each signature four spellings
    spellings = [TOKEN[:-1] + last for last in string.ascii_letters + string.digits + "-_"]
    assert [one for one in spellings if verify(KEY, one)] == [TOKEN]


ROW: list[Any] = ["agent-1", "turn_1", "a" * 32, "", 1, 0]


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b"\xff",
        {},
        5,
        [],
        ROW[:4],
        [*ROW, 1],
        [None, *ROW[1:]],
        ["A", *ROW[1:]],
        ["a", 5, *ROW[2:]],
        ["a", "t", "0" * 32, "", 1],
        ["a", "t", "a" * 32, "", True],
        ["a", "t", "a" * 32, "", 1.0],
        ["a", "t", "a" * 32, "", -1],
        ["a", "t", "a" * 32, "", "1"],
    ],
)
def test_a_signed_payload_that_is_no_turn_is_none(payload: object) -> None:
    assert verify(KEY, forged(ROW)) == Turn(*ROW)
    assert verify(KEY, forged(payload)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"agent_id": "A"},
        {"turn_id": ""},
        {"turn_id": "a b"},
        {"turn_id": "a" * 129},
        {"trace_id": "A" * 32},
        {"trace_id": "0" * 32},
        {"trace_id": "a" * 31},
        {"parent_span": "0" * 16},
        {"parent_span": "b" * 15},
        {"issued_ms": -1},
        {"issued_ms": 1.5},
        {"depth": -1},
        {"depth": 2**53 + 1},
    ],
)
def test_what_is_no_turn_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(TURN, **change)


def test_a_short_key_neither_mints_nor_verifies() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        mint(b"", TURN)
    with pytest.raises(ValueError, match="at least 16 bytes"):
        verify(b"", TOKEN)


def test_an_unsigned_turn_has_a_trace_of_its_own() -> None:
    asked = [("a", "s", "ambient"), ("b", "s", "ambient"), ("a", "t", "ambient"), ("a", "s", "x")]
    traces = {ambient_trace(*one) for one in asked}
    assert len(traces) == 4
    assert all(len(trace) == 32 for trace in traces)
    assert ambient_trace(*asked[0]) in traces
