"""API keys of the control API: the installation's own, and those of people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from sqlmodel import Session, select

from amaze_proxy.history.accounts import Account, account_of
from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import AccessKeyRow, AccountRow, ApiKeyRow


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: never the key itself."""

    sha256: str
    name: str
    role: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A person's key, as it is kept. `scope`: the agents that it is for (empty: all that its owner
    may reach); `prefix`: how it begins, to tell keys apart; `expires_ms` 0: no end is set."""

    key_id: str
    sha256: str = field(repr=False)
    account: str
    label: str
    role: str
    scope: tuple[str, ...]
    prefix: str
    created_ms: int
    expires_ms: int


class AccessKeyHistory:
    """The table of people's keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, sha256: str) -> tuple[AccessKey, Account] | None:
        """The key with this hash, and whose it is."""

        def work(session: Session) -> tuple[AccessKey, Account] | None:
            found = session.exec(select(AccessKeyRow).where(AccessKeyRow.sha256 == sha256)).first()
            owner = None if found is None else session.get(AccountRow, found.account)
            return None if found is None or owner is None else (_access(found), account_of(owner))

        return await self._database.read(work)

    async def get(self, key_id: str) -> AccessKey | None:
        """The key of this id."""

        def work(session: Session) -> AccessKey | None:
            row = session.get(AccessKeyRow, key_id)
            return None if row is None else _access(row)

        return await self._database.read(work)

    async def page(self, account: str, after: str, limit: int) -> tuple[AccessKey, ...]:
        """At most `limit` keys by id, those after `after`; `account` "" for everybody's."""

        def work(session: Session) -> tuple[AccessKey, ...]:
            query = select(AccessKeyRow).where(AccessKeyRow.key_id > after)
            if account:
                query = query.where(AccessKeyRow.account == account)
            rows = session.exec(query.order_by(AccessKeyRow.key_id).limit(limit))
            return tuple(_access(row) for row in rows)

        return await self._database.read(work)

    async def add(self, key: AccessKey) -> bool:
        """Adds a key; False when there is no such account."""

        def work(session: Session) -> bool:
            if session.get(AccountRow, key.account) is None:
                return False
            session.add(AccessKeyRow(**{**asdict(key), "scope": json.dumps(key.scope)}))
            return True

        return await self._database.write(work)

    async def remove(self, key_id: str) -> None:
        """The key works no more."""

        def work(session: Session) -> None:
            row = session.get(AccessKeyRow, key_id, with_for_update=True)
            if row is not None:
                session.delete(row)

        await self._database.write(work)


class KeyHistory:
    """The table of the installation's own keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, sha256: str) -> ApiKey | None:
        """The key with this hash."""

        def work(session: Session) -> ApiKey | None:
            row = session.get(ApiKeyRow, sha256)
            return None if row is None else _key(row)

        return await self._database.read(work)

    async def put(self, key: ApiKey) -> bool:
        """Makes `key` the one of its name; whether it is new. The former one stops working."""

        def work(session: Session) -> bool:
            rows = session.exec(select(ApiKeyRow).where(ApiKeyRow.name == key.name)).all()
            if any(row.sha256 == key.sha256 for row in rows):
                return False
            for row in rows:
                session.delete(row)
            session.add(_row(key))
            return True

        return await self._database.write(work)

    async def put_first(self, key: ApiKey) -> bool:
        """Adds `key` unless its name has one already; whether it was added."""

        def work(session: Session) -> bool:
            if session.exec(select(ApiKeyRow).where(ApiKeyRow.name == key.name)).first():
                return False
            session.add(_row(key))
            return True

        return await self._database.write(work)


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(**row.model_dump())


def _row(key: ApiKey) -> ApiKeyRow:
    return ApiKeyRow(**asdict(key))


def _access(row: AccessKeyRow) -> AccessKey:
    return AccessKey(**{**row.model_dump(), "scope": tuple(json.loads(row.scope))})
