"""The archived calls of one agent in the order of their time, to be judged again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.columns import read_record
from amaze_proxy.history.database import Database
from amaze_proxy.policy.record import AuditRecord


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the order: everything up to it has been read."""

    ts: int
    id: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Records, oldest first; `end` is where the next page begins, None after the last."""

    records: tuple[AuditRecord, ...]
    end: Place | None


class ReplayHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, agent_id: str, since_ms: int, most: int) -> tuple[Place, bool]:
        """Where the calls since `since_ms` begin, or the newest `most` of them; and whether there
        are more."""

        def work(session: Session) -> tuple[Place, bool]:
            query = (
                select(CallRow.ts, CallRow.id)
                .where(CallRow.agent_id == agent_id, CallRow.ts >= since_ms)
                .order_by(col(CallRow.ts).desc(), col(CallRow.id).desc())
                .offset(most)
                .limit(1)
            )
            found = session.exec(query).first()
            return (
                (Place(since_ms), False)
                if found is None
                else (Place(found[0], found[1] or 0), True)
            )

        return await self._database.read(work)

    async def page(self, agent_id: str, after: Place, limit: int) -> Page:
        """At most `limit` calls after `after`."""

        def work(session: Session) -> Page:
            later = or_(
                col(CallRow.ts) > after.ts,
                and_(col(CallRow.ts) == after.ts, col(CallRow.id) > after.id),
            )
            query = (
                select(CallRow.ts, CallRow.id, CallRow.record)
                .where(CallRow.agent_id == agent_id, CallRow.ts >= after.ts, later)
                .order_by(col(CallRow.ts), col(CallRow.id))
                .limit(limit)
            )
            rows = list(session.exec(query))
            end = Place(rows[-1][0], rows[-1][1] or 0) if len(rows) == limit else None
            return Page(tuple(read_record(text) for _, _, text in rows), end)

        return await self._database.read(work)
