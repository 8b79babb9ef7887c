from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from amaze import callers
from amaze.callers import CALLER, NEWEST, OLDEST, SIGNATURE, Callers, Hop, NotVerified
from amaze.egress import TURN
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_700_000_000_000  # milliseconds
OURS = "amz_one.ours"


def headers(turn: str = "t1", sent: int = NOW, **changed: str) -> dict[str, str]:
    """A valid call of `two` to `one`, with some headers changed."""
    signature = callers.sign(OURS, "two", "one", turn, sent)
    valid = {CALLER: "two", TURN: turn, SIGNATURE: signature}
    return {name.lower(): value for name, value in {**valid, **changed}.items()}


def checker(memory: int = 100, clock: Callable[[], float] = lambda: NOW / 1000) -> Callers:
    return Callers("one", [OURS], clock, memory)


def test_a_signed_call_is_who_it_says() -> None:
    assert checker().verify(headers()) == Hop("two", "t1")


@pytest.mark.parametrize(
    "changed",
    [
        {CALLER: ""},
        {CALLER: "three"},
        {CALLER: "Two"},
        {CALLER: "two, two"},
        {CALLER: "two\none"},
        {TURN: "t2"},
        {SIGNATURE: ""},
        {SIGNATURE: callers.sign("amz_one.theirs", "two", "one", "t1", NOW)},
        {SIGNATURE: callers.sign(OURS, "two", "three", "t1", NOW)},
        {
            SIGNATURE: callers.sign(OURS, "two", "one", "t1", NOW - 1).replace(
                str(NOW - 1), str(NOW)
            )
        },
        {SIGNATURE: callers.sign(OURS, "two", "one", "t1", NOW) + "="},
        {SIGNATURE: " " + callers.sign(OURS, "two", "one", "t1", NOW)},
        {SIGNATURE: callers.sign(OURS, "two", "one", "t1", NOW).replace("c1", "c2")},
        {SIGNATURE: f"c1.0{NOW}.{'A' * 43}"},
    ],
)
def test_what_proves_nothing_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(NotVerified) as caught:
        checker().verify(headers(**changed))
    assert caught.value.reason == "invalid-caller"


@pytest.mark.parametrize("turn", ["", "a b", "t1, t1", "x" * 1025])
def test_without_a_turn_nothing_is_handled(turn: str) -> None:
    signed = callers.sign(OURS, "two", "one", turn, NOW)
    with pytest.raises(NotVerified) as caught:
        checker().verify(headers(**{TURN: turn, SIGNATURE: signed}))
    assert caught.value.reason == "invalid-turn"


@pytest.mark.parametrize(
    ("age", "valid"),
    [(0, True), (OLDEST, True), (OLDEST + 1, False), (-NEWEST, True), (-NEWEST - 1, False)],
)
def test_how_old_a_signature_may_be(age: int, valid: bool) -> None:
    call = headers(sent=NOW - age)
    if valid:
        assert checker().verify(call).caller == "two"
    else:
        with pytest.raises(NotVerified, match="too old"):
            checker().verify(call)


def test_a_call_counts_once() -> None:
    verify = checker().verify
    verify(headers())
    with pytest.raises(NotVerified, match="before"):
        verify(headers())
    assert verify(headers(turn="t2")).turn == "t2"
    assert verify(headers(sent=NOW + 1)).turn == "t1"


def test_another_signature_of_the_same_call_is_a_replay_too() -> None:
    """In a rotation's grace a call has one for each credential."""
    both = Callers("one", [OURS, "amz_one.old"], lambda: NOW / 1000)
    new = callers.sign(OURS, "two", "one", "t1", NOW)
    old = callers.sign("amz_one.old", "two", "one", "t1", NOW)
    both.verify(headers(**{SIGNATURE: f"{new},{old}"}))
    for shown in (new, old):
        with pytest.raises(NotVerified, match="before"):
            both.verify(headers(**{SIGNATURE: shown}))


def test_one_of_several_signatures_is_enough() -> None:
    theirs = callers.sign("amz_one.rotated", "two", "one", "t1", NOW)
    ours = callers.sign(OURS, "two", "one", "t1", NOW)
    assert checker().verify(headers(**{SIGNATURE: f"{theirs},{ours}"})).caller == "two"
    with pytest.raises(NotVerified, match="missing or wrong"):
        checker().verify(headers(**{SIGNATURE: ",".join([theirs] * 32 + [ours])}))


def test_what_was_forgotten_is_too_old() -> None:
    """A flood of calls must not make an old one new again."""
    verify = checker(memory=2).verify
    for number in range(4):
        verify(headers(sent=NOW + number))
    for number in range(4):
        with pytest.raises(NotVerified, match="before"):
            verify(headers(sent=NOW + number))
    assert verify(headers(turn="t2", sent=NOW + 3)).turn == "t2"


def test_memory_ends_with_the_signatures_age() -> None:
    now = [NOW]
    one = checker(memory=2, clock=lambda: now[0] / 1000)
    for minute in range(10):
        now[0] = NOW + minute * 2 * OLDEST
        assert one.verify(headers(sent=now[0])).caller == "two"
    with pytest.raises(NotVerified, match="before"):
        one.verify(headers(sent=now[0]))
    assert one.verify(headers(turn="t2", sent=now[0] - OLDEST)).turn == "t2"


def test_of_many_at_once_one_is_first() -> None:
    verify, meeting = checker().verify, threading.Barrier(16)
    passed: list[Hop] = []

    def call() -> None:
        meeting.wait(timeout=20)
        try:
            passed.append(verify(headers()))
        except NotVerified:
            pass

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 1


@given(caller=st.text(), turn=st.text(), signature=st.text())
def test_nothing_unsigned_passes(caller: str, turn: str, signature: str) -> None:
    with pytest.raises(NotVerified):
        checker().verify(headers(**{CALLER: caller, TURN: turn, SIGNATURE: signature}))


@given(
    order=st.lists(st.tuples(st.integers(0, 5), st.integers(-5, 5)), max_size=60),
    memory=st.integers(1, 5),
)
def test_no_call_ever_passes_twice(order: list[tuple[int, int]], memory: int) -> None:
    verify, passed = checker(memory).verify, []
    for turn, offset in order:
        try:
            verify(headers(turn=f"t{turn}", sent=NOW + offset))
        except NotVerified:
            continue
        passed.append((turn, offset))
    assert len(passed) == len(set(passed))
