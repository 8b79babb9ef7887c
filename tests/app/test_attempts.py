"""The rate limit of signing in."""

from __future__ import annotations

import pytest

from amaze_app.attempts import ALLOWED, WINDOW_S, Attempts


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _use_up(attempts: Attempts, address: str) -> None:
    for _ in range(ALLOWED):
        assert attempts.begin(address) == 0.0


def test_a_few_attempts_then_a_wait_until_the_first_is_old() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    _use_up(attempts, "192.0.2.1")
    clock.now += 20
    assert attempts.begin("192.0.2.1") == WINDOW_S - 20
    clock.now += WINDOW_S - 20
    assert attempts.begin("192.0.2.1") == 0.0


def test_refused_attempts_do_not_make_it_longer() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    _use_up(attempts, "192.0.2.1")
    for _ in range(100):
        assert attempts.begin("192.0.2.1") > 0
    clock.now += WINDOW_S
    assert attempts.begin("192.0.2.1") == 0.0


def test_addresses_do_not_hinder_each_other() -> None:
    attempts = Attempts(Clock())
    _use_up(attempts, "192.0.2.1")
    assert attempts.begin("192.0.2.2") == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:2"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "not an address"),
    ],
)
def test_one_subscriber_is_one_source(one: str, other: str) -> None:
    attempts = Attempts(Clock())
    _use_up(attempts, one)
    assert attempts.begin(other) > 0


def test_a_success_forgets() -> None:
    attempts = Attempts(Clock())
    _use_up(attempts, "192.0.2.1")
    attempts.succeeded("192.0.2.1")
    assert attempts.begin("192.0.2.1") == 0.0


def test_many_addresses_are_not_kept_for_ever() -> None:
    attempts = Attempts(Clock())
    for number in range(10_050):
        attempts.begin(f"10.0.{number >> 8}.{number & 255}")
    assert len(attempts._begun) == 10_000
