"""Requests that make something and may come twice: what the first one was answered."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlmodel import Session, col, delete

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import IdempotentRow

LASTS_MS = 24 * 3_600_000
BROKEN_OFF_MS = 60_000
"""After this long without an answer a request is taken for broken off, and may be tried again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A request by the SHA-256 of its key and body. `status` 0: not answered yet; `answer` is JSON
    without secrets, `secret` whether there was one."""

    key_sha256: str
    body_sha256: str
    created_ms: int
    status: int = 0
    answer: str = ""
    secret: bool = False


class IdempotencyHistory:
    """The table of such requests. All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, request: Kept) -> Kept | None:
        """The one of the same key that came before, or None: this one is the first, and is kept."""

        def work(session: Session) -> Kept | None:
            old = col(IdempotentRow.created_ms) < request.created_ms - LASTS_MS
            session.exec(delete(IdempotentRow).where(old))
            row = session.get(IdempotentRow, request.key_sha256, with_for_update=True)
            if row is None:
                session.add(IdempotentRow(**asdict(request)))
                return None
            if not row.status and request.created_ms - row.created_ms >= BROKEN_OFF_MS:
                session.merge(IdempotentRow(**asdict(request)))
                return None
            return Kept(**row.model_dump())

        return await self._database.write(work)

    async def end(self, answered: Kept) -> None:
        """Keeps the answer."""

        def work(session: Session) -> None:
            session.merge(IdempotentRow(**asdict(answered)))

        await self._database.write(work)

    async def forget(self, key_sha256: str) -> None:
        """The request has failed: it may come again."""

        def work(session: Session) -> None:
            session.exec(delete(IdempotentRow).where(col(IdempotentRow.key_sha256) == key_sha256))

        await self._database.write(work)
