"""API keys of people."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.people import role_of
from amaze_app.gateway.principal import Need, Principal, Role
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.access_keys import KeyWish
from amaze_proxy.control.api import keys
from amaze_proxy.control.console import AccessKey

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class KeyView:
    """An API key without its secret; `expires_ms` 0: no end is set."""

    key_id: str
    prefix: str
    user: str
    label: str
    role: str
    scope: tuple[str, ...]
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key with its secret, to be shown this once."""

    key: KeyView
    secret: str = field(repr=False)


class KeyDesk(Desk):
    """Everybody's own keys; all keys for an admin. All methods raise Refused and Outage."""

    async def page(self, who: Principal, after: str = "", limit: int = 100) -> tuple[KeyView, ...]:
        """At most `limit` keys by id, those after `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.access_keys.page(_whose(who), after, limit)
        return tuple(map(_key, found))

    async def create(
        self,
        who: Principal,
        label: str,
        role: str,
        scope: tuple[str, ...] = (),
        lasts_days: int = 0,
    ) -> NewKey:
        """A key of who asks, of at most their role; `scope`: agents (empty: all of theirs)."""
        self._needs(who, Need.VIEWER)
        if not 0 <= lasts_days <= 3650:
            raise Refused("a key lasts 1 to 3650 days, or 0 for until it is revoked")
        wish = KeyWish(who.name, label.strip()[:100], role_of(role), scope, lasts_days * _DAY_MS)
        most = who.role
        with told():
            key, secret = await self._act(
                who,
                Deed("keys.create", "api-keys"),
                lambda: self._services.access_keys.create(wish, most),
            )
        return NewKey(_key(key), secret.text)

    async def revoke(self, who: Principal, key_id: str) -> None:
        """The key works no more."""
        self._needs(who, Need.VIEWER)

        async def look() -> object:
            return keys.view(await self._services.access_keys.get(key_id, _whose(who)))

        with told():
            await self._act(
                who,
                Deed("keys.revoke", f"api-keys/{key_id}", look),
                lambda: self._services.access_keys.revoke(key_id, _whose(who)),
            )


def _whose(who: Principal) -> str:
    return "" if who.role is Role.ADMIN else who.name


def _key(key: AccessKey) -> KeyView:
    return KeyView(
        key_id=key.key_id,
        prefix=key.prefix,
        user=key.account,
        label=key.label,
        role=key.role,
        scope=key.scope,
        created_ms=key.created_ms,
        expires_ms=key.expires_ms,
    )
