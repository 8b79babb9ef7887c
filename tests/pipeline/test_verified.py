"""What a worker remembers of good credentials: for a while, and not of refused ones."""

from __future__ import annotations

from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.verified import Verified

A, B, C = (Claim(name, "0" * 64) for name in "abc")


def test_remembered_for_a_while() -> None:
    now = [100.0]
    verified = Verified(clock=lambda: now[0])
    assert not verified.within(A, 30)
    verified.note(A)
    assert verified.within(A, 30)
    assert not verified.within(Claim("a", "1" * 64), 30)
    now[0] += 31
    assert not verified.within(A, 30)
    assert verified.within(A, 60)


def test_a_refused_one_is_forgotten() -> None:
    verified = Verified()
    verified.note(A)
    verified.forget(A)
    verified.forget(B)
    assert not verified.within(A, 30)


def test_the_oldest_is_dropped() -> None:
    verified = Verified(size=2)
    for claim in (A, B, A, C):
        verified.note(claim)
    assert [verified.within(claim, 30) for claim in (A, B, C)] == [True, False, True]
