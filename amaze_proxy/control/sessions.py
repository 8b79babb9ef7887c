"""Sessions of people: a random token, kept as SHA-256, revocable, ending when unused."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.keys import Secret, same, sha256
from amaze_proxy.history.accounts import Account, SignedSession
from amaze_proxy.history.bundle import History

IDLE_MS = 12 * 3_600_000
LONGEST_MS = 7 * 24 * 3_600_000
_MOST = 50  # sessions of one person: the oldest end
_TOUCH_MS = 60_000  # how exactly it is known when a session was used: not a write for each request


@dataclass(frozen=True, slots=True)
class Open:
    """A session that lasts, and whose it is."""

    session: SignedSession
    account: Account


class Sessions:
    """All methods raise HistoryUnavailable."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def begin(self, account: Account) -> Secret | None:
        """A new session's token; None where the account is gone, disabled, or has got another
        password since `account` was read: that has ended its sessions."""
        text = f"ams_{secrets.token_urlsafe(32)}"
        now = self._clock()
        new = SignedSession(sha256(text), account.name, now, now, now + LONGEST_MS)
        begun = await self._history.accounts.begin(new, account.password, _MOST)
        return Secret(text, new.sha256) if begun else None

    async def find(self, token: str) -> Open | None:
        """The session of a token, while it lasts and its account is not disabled."""
        shown, now = sha256(token), self._clock()
        found = await self._history.accounts.session(shown)
        if found is None:
            return None
        session, account = found
        if not same(session.sha256, shown) or account.disabled or _ended(session, now):
            return None
        if now - session.seen_ms >= _TOUCH_MS:
            await self._history.accounts.touch(shown, now)
        return Open(session, account)

    async def end(self, session_sha256: str) -> None:
        """Signs out."""
        await self._history.accounts.end(session_sha256)


def _ended(session: SignedSession, now: int) -> bool:
    return now >= min(session.expires_ms, session.seen_ms + IDLE_MS)
