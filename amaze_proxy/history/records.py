"""Records by who, what, target and time: calls, and what people have changed (`_admin`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import func
from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.columns import read_record
from amaze_proxy.history.database import Database
from amaze_proxy.history.queries import EVERYTHING, Cursor, Filter, Span, beginning, window
from amaze_proxy.policy.record import AuditRecord

WINDOW = 5_000
"""Records that are looked at for one page: what is rarer comes with the next ones."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records. `agent_id` is whose ("": everybody's); `who`, `what` and `target` are part of
    the caller, of the tool or act, and of the target, in whatever case; times in milliseconds,
    `since` within, `until` not. "" and 0 mean any."""

    agent_id: str = ""
    who: str = ""
    what: str = ""
    target: str = ""
    since_ms: int = 0
    until_ms: int = 0

    @property
    def searches(self) -> bool:
        """Whether something has to be looked for that no index knows."""
        return bool(self.who or self.what or self.target)


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record without its bodies. `status` 0 of an act: it was begun. `ts` in milliseconds."""

    decision_id: str
    ts: int
    agent_id: str
    who: str
    what: str
    kind: str
    target: str
    status: int
    denied: bool
    error: str
    session_id: str


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Newest first; `following` is None at the end."""

    lines: tuple[RecordLine, ...]
    following: Cursor | None


class RecordHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, filter_: RecordFilter, cursor: Cursor | None, limit: int) -> RecordPage:
        """A page of records; it may be short, or empty, and still have one that follows."""

        def work(session: Session) -> RecordPage:
            start = cursor or beginning(session, filter_.until_ms)
            span = Span(EVERYTHING.narrowed(filter_.agent_id), filter_.since_ms, start)
            size = WINDOW if filter_.searches else limit + 1
            seen = window(Filter(), span, size)
            query = select(CallRow).where(col(CallRow.id).in_(sa_select(seen.c.id)))
            query = query.where(*_terms(filter_))
            query = query.order_by(col(CallRow.ts).desc(), col(CallRow.id).desc())
            rows = session.exec(query.limit(limit + 1)).all()
            last = rows[limit - 1] if len(rows) > limit else None
            end = (last.ts, last.id or 0) if last else _end(session, seen, size)
            following = replace(start, ts=end[0], before=end[1]) if end else None
            return RecordPage(tuple(map(_line, rows[:limit])), following)

        return await self._database.read(work)

    async def get(self, decision_id: str) -> AuditRecord | None:
        """The newest record of this decision, with its bodies."""

        def work(session: Session) -> AuditRecord | None:
            query = select(CallRow.record).where(CallRow.decision_id == decision_id)
            text = session.exec(query.order_by(col(CallRow.id).desc()).limit(1)).first()
            return None if text is None else read_record(text)

        return await self._database.read(work)


def _terms(filter_: RecordFilter) -> list[Any]:
    wanted = (
        (col(CallRow.caller), filter_.who),
        (col(CallRow.tool), filter_.what),
        (col(CallRow.target), filter_.target),
    )
    return [column.icontains(text, autoescape=True) for column, text in wanted if text]


def _end(session: Session, seen: Any, size: int) -> tuple[int, int] | None:
    """The last one that was looked at, unless there are no more."""
    connection = session.connection()
    if (connection.scalar(sa_select(func.count()).select_from(seen)) or 0) < size:
        return None
    last = sa_select(seen.c.ts, seen.c.id).order_by(seen.c.ts, seen.c.id).limit(1)
    found = connection.execute(last).one()
    return (found[0], found[1])


def _line(row: CallRow) -> RecordLine:
    return RecordLine(
        decision_id=row.decision_id,
        ts=row.ts,
        agent_id=row.agent_id,
        who=row.caller,
        what=row.tool,
        kind=row.kind,
        target=row.target,
        status=row.status,
        denied=row.denied,
        error=row.error,
        session_id=row.session_id,
    )
