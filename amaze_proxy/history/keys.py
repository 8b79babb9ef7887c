"""API keys of the control API: their hashes and roles."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import ApiKeyRow


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: never the key itself."""

    sha256: str
    name: str
    role: str
    created_ms: int


class KeyHistory:
    """The table of API keys."""

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
    return ApiKey(row.sha256, row.name, row.role, row.created_ms)


def _row(key: ApiKey) -> ApiKeyRow:
    return ApiKeyRow(sha256=key.sha256, name=key.name, role=key.role, created_ms=key.created_ms)
