"""Alerts: the calls that were denied, would have been, or were let pass with a reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import select as sa_select
from sqlmodel import Session, col, select

from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.database import Database
from amaze_proxy.history.queries import Cursor, Filter, Span, Viewer, alert_window, beginning
from amaze_proxy.history.rollups import reasons

_ROWS_EACH = 4  # a call is listed once for each of its reasons; more than these it hardly has


@dataclass(frozen=True, slots=True)
class Alert:
    """A call and its reasons. `ts` in milliseconds since the epoch; `would_deny`: the reason for
    which it would have been denied, in shadow mode."""

    decision_id: str
    ts: int
    agent_id: str
    trace_id: str
    kind: str
    target: str
    tool: str
    model: str
    status: int
    denied: bool
    would_deny: str
    reasons: tuple[str, ...]
    policy_version: int


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Newest first; `following` is None at the end."""

    alerts: tuple[Alert, ...]
    following: Cursor | None


class AlertHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, viewer: Viewer, filter_: Filter, cursor: Cursor | None, limit: int
    ) -> AlertPage:
        """Alerts by agent, time and reason; the filter's other fields are not looked at."""

        def work(session: Session) -> AlertPage:
            start = cursor or beginning(session, filter_.until_ms)
            span = Span(viewer.narrowed(filter_.agent_id), filter_.since_ms, start)
            seen = alert_window(filter_.reason, span, (limit + 1) * _ROWS_EACH)
            place = (col(CallRow.ts).desc(), col(CallRow.id).desc())
            once = sa_select(seen.c.id).distinct()  # a call is there for each of its reasons
            query = select(CallRow).where(col(CallRow.id).in_(once))
            query = query.order_by(*place).limit(limit + 1)
            rows = session.exec(query).all()
            last = rows[limit - 1] if len(rows) > limit else None
            following = replace(start, ts=last.ts, before=last.id or 0) if last else None
            return AlertPage(tuple(map(_alert, rows[:limit])), following)

        return await self._database.read(work)


def _alert(row: CallRow) -> Alert:
    return Alert(
        decision_id=row.decision_id,
        ts=row.ts,
        agent_id=row.agent_id,
        trace_id=row.trace_id,
        kind=row.kind,
        target=row.target,
        tool=row.tool,
        model=row.model,
        status=row.status,
        denied=row.denied,
        would_deny=row.would_deny,
        reasons=reasons(row.denial_reason, row.would_deny, row.alert),
        policy_version=row.policy_version,
    )
