"""Sessions of signed-in browsers: kept here, named by a random token in a cookie."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers

COOKIE = "amaze_session"
LIFETIME_S = 12 * 3600
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in, with which API key (its SHA-256 in hex), and until when it lasts."""

    role: str
    key_sha256: str
    ends: float


class Sessions:
    """All sessions of this process. A token is kept as its SHA-256, so none can be read here."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def begin(self, role: str, key_sha256: str) -> str:
        """A new session's token. The oldest session ends when there are too many."""
        self._drop_ended()
        if len(self._sessions) >= _MOST:
            self._sessions.pop(next(iter(self._sessions)))
        token = secrets.token_urlsafe(32)
        self._sessions[_name(token)] = Session(role, key_sha256, self._clock() + LIFETIME_S)
        return token

    def find(self, token: str) -> Session | None:
        """The session of this token, while it lasts."""
        found = self._sessions.get(_name(token))
        return found if found is not None and found.ends > self._clock() else None

    def end(self, token: str) -> None:
        """Signs out: what the token opened is shut for every tab at its next event."""
        self._sessions.pop(_name(token), None)

    def _drop_ended(self) -> None:
        now = self._clock()
        for name in [name for name, one in self._sessions.items() if one.ends <= now]:
            del self._sessions[name]


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


def _name(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
