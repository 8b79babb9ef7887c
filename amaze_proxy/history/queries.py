"""What may be asked of the archive, by whom, and where a page of it goes on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Subquery,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlmodel import Session, SQLModel

from amaze_proxy.history.archive_tables import AlertRow, CallRow, CallSumRow
from amaze_proxy.history.cursors import unwrapped, wrapped

Place = tuple[Column[Any], Column[Any]]
Terms = list[ColumnElement[bool]]

CALL = SQLModel.metadata.tables[str(CallRow.__tablename__)].c
ALERT = SQLModel.metadata.tables[str(AlertRow.__tablename__)].c
SUM = SQLModel.metadata.tables[str(CallSumRow.__tablename__)].c
_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})")
_AGENTS_MERGED = 50
"""Of how many agents the calls are merged; those of more are picked from everybody's."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose calls may be seen: those of `agents` (None: everybody's)."""

    agents: frozenset[str] | None = None

    def narrowed(self, agent_id: str) -> Viewer:
        """The same, looking at one agent ("": at all it may see)."""
        if not agent_id:
            return self
        seen = self.agents is None or agent_id in self.agents
        return Viewer(frozenset((agent_id,)) if seen else frozenset())


EVERYTHING = Viewer()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls; "" and 0 mean any. Times in milliseconds, `since` within, `until` not.

    `verdict` is allowed, denied, shadow or error; `reason` that of an alert; `text` is in the
    recorded input or output, in whatever case.
    """

    agent_id: str = ""
    since_ms: int = 0
    until_ms: int = 0
    status: int = 0
    verdict: str = ""
    reason: str = ""
    tool: str = ""
    model: str = ""
    kind: str = ""
    target: str = ""
    text: str = ""


LATEST = 10**18 - 1
"""A time, or an id, that no call has."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A page goes on behind the call `before` of time `ts`; calls archived after `top` were not
    there when the first page was read, and would shift the others."""

    top: int
    ts: int
    before: int

    def __str__(self) -> str:
        return wrapped(f"{self.top}.{self.ts}.{self.before}")


def read_cursor(text: str) -> Cursor:
    """The cursor that was given out as `text`. Raises ValueError."""
    found = unwrapped(text, _CURSOR, 100)
    if found is None:
        raise ValueError("is no cursor: use `next` of the page before")
    return Cursor(*map(int, found.groups()))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the order of calls, which is by time and then by id."""

    viewer: Viewer
    since_ms: int
    cursor: Cursor


def window(filter_: Filter, span: Span, size: int) -> Subquery:
    """The `size` newest calls (`id`, `ts`) of the span that have what an index knows best: the
    others of the filter's conditions are then looked up in these alone, however rare they are."""
    if filter_.reason:
        return alert_window(filter_.reason, span, size)
    for name in ("tool", "model"):
        if value := getattr(filter_, name):
            return _newest(_CALLS, [CALL[name] == value], span, size).subquery("seen")
    return _of_agents(_CALLS, CALL.agent_id, [], span, size)


def alert_window(reason: str, span: Span, size: int) -> Subquery:
    """The same of the alerts of a reason ("": of any; then a call may be there twice)."""
    first = [ALERT.reason == reason] if reason else []
    return _of_agents(_ALERTS, ALERT.agent_id, first, span, size)


def _of_agents(
    table: Place, agent_id: Column[Any], first: Terms, span: Span, size: int
) -> Subquery:
    agents = span.viewer.agents
    if agents is None:
        return _newest(table, first, span, size).subquery("seen")
    if not 0 < len(agents) <= _AGENTS_MERGED:
        found = [*first, agent_id.in_(sorted(agents))]
        return _newest(table, found, span, size).subquery("seen")
    # One IN would have SQLite sort all that these agents ever did.
    parts = [
        _newest(table, [*first, agent_id == one], span, size).subquery() for one in sorted(agents)
    ]
    merged = union_all(*(select(part.c.id, part.c.ts) for part in parts)).subquery()
    newest = select(merged.c.id, merged.c.ts)
    return newest.order_by(merged.c.ts.desc(), merged.c.id.desc()).limit(size).subquery("seen")


def conditions(filter_: Filter, viewer: Viewer) -> Terms:
    """What a call must fulfil, apart from time and text."""
    found: Terms = list(_VERDICT[filter_.verdict])
    for name in ("tool", "model", "kind", "target", "status"):
        if value := getattr(filter_, name):
            found.append(no_index(CALL[name]) == value)
    if viewer.agents is not None:
        found.append(no_index(CALL.agent_id).in_(sorted(viewer.agents)))
    if filter_.reason:
        same = (ALERT.call_id == CALL.id, ALERT.reason == filter_.reason)
        found.append(select(ALERT.call_id).where(*same).exists())
    if filter_.text:
        # The record is JSON, and the bodies are strings in it: so is what is looked for.
        inside = json.dumps(filter_.text, ensure_ascii=False)[1:-1]
        found.append(CALL.record.icontains(inside, autoescape=True))
    return found


def after(id_: Column[Any], ts: Column[Any], cursor: Cursor) -> Terms:
    """What is behind the cursor, older than it."""
    # The second term is in the first, but only it is one that an index is searched by.
    return [_place(id_, ts) < _place_of(cursor), ts <= cursor.ts, id_ <= cursor.top]


def before(id_: Column[Any], ts: Column[Any], cursor: Cursor) -> Terms:
    """What the pages before the cursor had."""
    return [_place(id_, ts) >= _place_of(cursor), ts >= cursor.ts, id_ <= cursor.top]


def no_index(column: Column[Any]) -> ColumnElement[Any]:
    """The column, as nothing to search an index for: SQLite would begin with all calls of an agent
    rather than with the few that are asked about."""
    return func.coalesce(column, column)


def _place(id_: Column[Any], ts: Column[Any]) -> ColumnElement[Any]:
    return tuple_(ts, id_)


def _place_of(cursor: Cursor) -> ColumnElement[Any]:
    return tuple_(literal(cursor.ts), literal(cursor.before))


def beginning(session: Session, until_ms: int) -> Cursor:
    """Before the newest call there is now."""
    newest = session.connection().scalar(select(func.max(CALL.id)))
    return Cursor(newest or 0, until_ms or LATEST, LATEST if not until_ms else 0)


def _newest(table: Place, first: Terms, span: Span, size: int) -> Select[Any]:
    id_, ts = table
    query = select(id_.label("id"), ts.label("ts"))
    since = [ts >= span.since_ms] if span.since_ms else []
    query = query.where(*first, *after(id_, ts, span.cursor), *since)
    return query.order_by(ts.desc(), id_.desc()).limit(size)


_VERDICT: dict[str, Terms] = {
    "": [],
    "allowed": [CALL.denied.is_(False), CALL.would_deny == "", CALL.error == ""],
    "denied": [CALL.denied.is_(True)],
    "shadow": [CALL.would_deny != ""],
    "error": [CALL.error != ""],
}
VERDICTS = tuple(verdict for verdict in _VERDICT if verdict)
_CALLS: Place = (CALL.id, CALL.ts)
_ALERTS: Place = (ALERT.call_id, ALERT.ts)
