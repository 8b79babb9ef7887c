import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amaze_proxy.policy.callers import CallerClaim, sign, verify

KEY = hashlib.sha256(b"amz_bob.secret").digest()
CLAIM = CallerClaim("alice", "bob", "t1.AAAA.BBBB", 1_700_000_000_000)
HEADER = sign(KEY, CLAIM)


def check(header: str = HEADER, key: bytes = KEY, **changes: str) -> CallerClaim | None:
    of = {"caller": "alice", "callee": "bob", "turn": "t1.AAAA.BBBB", **changes}
    return verify(key, header, **of)


def test_a_signed_claim_is_verified() -> None:
    assert check() == CLAIM
    without_turn = replace(CLAIM, turn="")
    assert check(sign(KEY, without_turn), turn="") == without_turn


def test_the_signature_is_what_the_callee_can_compute_by_itself() -> None:
    text = "c1\nalice\nbob\nt1.AAAA.BBBB\n1700000000000"
    mac = hmac.new(KEY, text.encode(), hashlib.sha256).digest()
    encoded = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    assert check(f"c1.1700000000000.{encoded}") == CLAIM


@pytest.mark.parametrize(
    "changes",
    [
        {"caller": "eve"},
        {"callee": "eve"},
        {"turn": ""},
        {"turn": "t1.AAAA.BBBC"},
        {"caller": "Alice"},
        {"caller": "alice\nbob"},
        {"turn": "a\nb"},
        {"callee": ""},
    ],
)
def test_it_proves_nothing_for_others(changes: dict[str, str]) -> None:
    assert check(**changes) is None


def test_another_key_proves_nothing() -> None:
    assert check(key=b"x" * 32) is None


@given(st.integers(0, len(HEADER) - 1), st.characters())
def test_a_changed_character_is_noticed(at: int, character: str) -> None:
    changed = HEADER[:at] + character + HEADER[at + 1 :]
    assert check(changed) == (CLAIM if changed == HEADER else None)


@pytest.mark.parametrize("cut", range(len(HEADER)))
def test_a_cut_header_is_noticed(cut: int) -> None:
    assert check(HEADER[:cut]) is None
    assert check(HEADER[cut + 1 :]) is None


@given(st.text() | st.from_regex(r"c1\.\d+\.[A-Za-z0-9_=-]{43}", fullmatch=True))
@example("")
@example(HEADER + "\n")
@example(HEADER + "=")
@example(f"{HEADER}, {HEADER}")
@example(HEADER.replace("c1.1", "c1.01"))
@example(HEADER.replace("c1", "c2", 1))
@example("c1." + "9" * 5_000 + "." + "A" * 43)
def test_what_was_not_signed_is_none(text: str) -> None:
    assert check(text) is None


@pytest.mark.parametrize(
    "change",
    [{"caller": "A"}, {"callee": "b_"}, {"turn": "a b"}, {"turn": "a" * 1025}]
    + [{"issued_ms": number} for number in (-1, 10**16)],
)
def test_what_is_no_claim_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(CLAIM, **change)


def test_a_short_key_neither_signs_nor_verifies() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        sign(b"", CLAIM)
    with pytest.raises(ValueError, match="at least 16 bytes"):
        check(key=b"")
