from __future__ import annotations

import pytest

from amaze_proxy.control import lockout
from amaze_proxy.control.lockout import Lockout, subscriber


def test_waits_double_up_to_the_longest(clock) -> None:
    door = Lockout(2, 5000, clock)
    waits = []
    for _ in range(6):
        waits.append(door.wait_ms("a"))
        door.begin("a")
    assert waits == [0, 0, 1000, 2000, 4000, 5000]
    assert door.wait_ms("b") == 0
    clock.now += 4999
    assert door.wait_ms("a") == 1
    clock.now += 1
    assert door.wait_ms("a") == 0


def test_a_right_attempt_does_not_count_and_does_not_clear(clock) -> None:
    door = Lockout(1, 5000, clock)
    door.succeeded("a")
    door.begin("a")
    door.begin("a")
    door.succeeded("a")
    assert door.wait_ms("a") == 1000
    door.forget("a")
    assert door.wait_ms("a") == 0


def test_an_hour_of_peace_is_forgiven(clock) -> None:
    door = Lockout(1, 10**9, clock)
    for _ in range(60):
        door.begin("a")
    assert door.wait_ms("a") == 10**9
    clock.now += 3_600_000
    assert door.wait_ms("a") == 0


def test_memory_is_bounded_and_the_longest_unused_goes(clock, monkeypatch) -> None:
    monkeypatch.setattr(lockout, "_MOST", 3)
    door = Lockout(1, 5000, clock)
    for source in "abcad":
        door.begin(source)
    assert [door.wait_ms(source) > 0 for source in "abcd"] == [True, False, True, True]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("unix", ""),
    ],
)
def test_one_subscriber_is_one_source(address, source) -> None:
    assert subscriber(address) == source
