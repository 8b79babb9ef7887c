"""The cookie that names a session."""

from __future__ import annotations

from starlette.datastructures import Headers

COOKIE = "amaze_session"


def cookie_header(headers: Headers) -> str:
    """All Cookie headers as one: HTTP/2 may split it (RFC 9113 §8.2.3)."""
    return "; ".join(headers.getlist("cookie"))


def token_of(cookies: str) -> str:
    """The session's token in a Cookie header; "" when there is none, or more than one.

    Two cookies of one name come from two places (RFC 6265 §5.4 gives no order to rely on): one of
    them was planted.
    """
    pairs = (part.strip().partition("=") for part in cookies.split(";"))
    found = [value for name, _, value in pairs if name == COOKIE]
    return found[0] if len(found) == 1 else ""
