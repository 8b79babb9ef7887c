"""Sessions and the cookie that names them."""

from __future__ import annotations

import pytest

from amaze_app.sessions import LIFETIME_S, Sessions, token_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_lasts_until_its_end() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    token = sessions.begin("admin", "ab")
    clock.now = LIFETIME_S - 1
    assert sessions.find(token) is not None
    clock.now = LIFETIME_S
    assert sessions.find(token) is None


def test_a_session_that_was_ended_opens_nothing() -> None:
    sessions = Sessions()
    token, other = sessions.begin("admin", "ab"), sessions.begin("admin", "ab")
    sessions.end(token)
    assert sessions.find(token) is None
    assert sessions.find(other) is not None


@pytest.mark.parametrize("token", ["", "x", "\ud800"])
def test_a_guess_opens_nothing(token: str) -> None:
    sessions = Sessions()
    sessions.begin("admin", "ab")
    assert sessions.find(token) is None


def test_the_oldest_of_too_many_ends() -> None:
    sessions = Sessions()
    tokens = [sessions.begin("admin", "ab") for _ in range(1001)]
    assert sessions.find(tokens[0]) is None
    assert sessions.find(tokens[1]) is not None


def test_ended_ones_make_room_first() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    for _ in range(1000):
        sessions.begin("admin", "ab")
    clock.now = LIFETIME_S
    kept = sessions.begin("admin", "ab")
    last = [sessions.begin("admin", "ab") for _ in range(999)]
    assert all(sessions.find(token) for token in (kept, *last))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("amaze_session=a", "a"),
        ("x=1; amaze_session=a; y=2", "a"),
        ("x=1;amaze_session=a=b", "a=b"),
        ("", ""),
        ("amaze_session", ""),
        ("xamaze_session=a", ""),
        ("amaze_session=a; amaze_session=b", ""),
        ("amaze_session=a; amaze_session=a", ""),
    ],
)
def test_the_token_of_a_cookie_header(header: str, token: str) -> None:
    assert token_of(header) == token
