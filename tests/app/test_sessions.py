"""The cookie that names a session."""

from __future__ import annotations

import pytest

from amaze_app.sessions import token_of


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
