"""API keys of people: for scripts, with a role, agents and an end of their own; shown once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import KeyNotFound, KeyRefused, UserNotFound, checked_id
from amaze_proxy.control.keys import Secret, same, sha256
from amaze_proxy.control.people import UserRole
from amaze_proxy.history.accounts import Account
from amaze_proxy.history.bundle import History
from amaze_proxy.history.keys import AccessKey

_RANK = {UserRole.VIEWER: 0, UserRole.OPERATOR: 1, UserRole.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that is asked for. `scope`: agents (empty: all that its owner may reach);
    `lasts_ms` 0: until it is revoked."""

    account: str
    label: str
    role: UserRole
    scope: tuple[str, ...] = ()
    lasts_ms: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """A key that works, whose it is, and the role that it has: never more than its owner's."""

    key: AccessKey
    account: Account
    role: UserRole


class AccessKeys:
    """All methods raise HistoryUnavailable."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def create(self, wish: KeyWish, most: UserRole) -> tuple[AccessKey, Secret]:
        """A key of at most the role `most`. Raises KeyRefused, UserNotFound, InvalidId."""
        if lesser(wish.role, most) is not wish.role:
            raise KeyRefused(f"a key of {wish.account} may be {most} at most, not {wish.role}")
        key_id, now = secrets.token_hex(5), self._clock()
        secret = _new(key_id)
        key = AccessKey(
            key_id=key_id,
            sha256=secret.sha256,
            account=wish.account,
            label=wish.label,
            role=str(wish.role),
            scope=tuple(checked_id(agent) for agent in wish.scope),
            prefix=f"amk_{key_id}",
            created_ms=now,
            expires_ms=now + wish.lasts_ms if wish.lasts_ms else 0,
        )
        if not await self._history.access_keys.add(key):
            raise UserNotFound(f"there is no user {wish.account}: say whose key it is with `user`")
        return key, secret

    async def find(self, text: str) -> Held | None:
        """The key, while it works."""
        shown = sha256(text)
        found = await self._history.access_keys.find(shown)
        if found is None:
            return None
        key, account = found
        ended = key.expires_ms and self._clock() >= key.expires_ms
        if not same(key.sha256, shown) or ended or account.disabled or account.must_change:
            return None
        return Held(key, account, lesser(UserRole(key.role), UserRole(account.role)))

    async def page(self, account: str, after: str, limit: int) -> tuple[AccessKey, ...]:
        """At most `limit` keys by id, those after `after`; `account` "" for everybody's."""
        return await self._history.access_keys.page(account, after, limit)

    async def get(self, key_id: str, account: str = "") -> AccessKey:
        """Raises KeyNotFound, also for a key of another than `account` ("": anybody's)."""
        found = await self._history.access_keys.get(key_id)
        if found is None or (account and found.account != account):
            raise KeyNotFound("there is no such API key: see GET /auth/api-keys")
        return found

    async def revoke(self, key_id: str, account: str = "") -> None:
        """The key works no more. Raises as `get`."""
        await self._history.access_keys.remove((await self.get(key_id, account)).key_id)


def lesser(one: UserRole, other: UserRole) -> UserRole:
    """The role that may do less."""
    return min(one, other, key=lambda role: _RANK[role])


def _new(key_id: str) -> Secret:
    text = f"amk_{key_id}.{secrets.token_urlsafe(32)}"
    return Secret(text, sha256(text))
