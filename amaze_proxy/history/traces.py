"""Traces: which there are, and the calls of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from sqlalchemy import Column, Select, case, func, select
from sqlmodel import Session

from amaze_proxy.history.columns import read_record
from amaze_proxy.history.database import Database
from amaze_proxy.history.queries import (
    CALL,
    Cursor,
    Filter,
    Span,
    Terms,
    Viewer,
    before,
    beginning,
    conditions,
    no_index,
    window,
)
from amaze_proxy.policy.record import AuditRecord

WINDOW, TEXT_WINDOW = 2_000, 300
"""Calls that are looked at for one page: what is rarer comes with the next ones."""

_NAMES = 3


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """The calls of a trace that the viewer may see. Times in milliseconds since the epoch."""

    trace_id: str
    agents: tuple[str, ...]
    started_ms: int
    ended_ms: int
    calls: int
    denied: int
    alerts: int
    errors: int
    tokens_in: int
    tokens_out: int
    cost_microusd: int
    what: tuple[str, ...] = field(default=(), kw_only=True)
    """The first few tools, models or targets that were called."""

    @property
    def verdict(self) -> str:
        """The gravest of its calls'."""
        if self.denied:
            return "denied"
        if self.alerts:
            return "alert"
        return "error" if self.errors else "allowed"


@dataclass(frozen=True, slots=True)
class TracePage:
    """Newest first. `following` is None at the end; a page may be short, or empty, before it:
    then the calls that were looked at had no more."""

    traces: tuple[TraceSummary, ...]
    following: Cursor | None


@dataclass(frozen=True, slots=True)
class TraceCalls:
    """The records of a trace, oldest first; `whole`: there are no more."""

    records: tuple[AuditRecord, ...]
    whole: bool


class TraceHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, viewer: Viewer, filter_: Filter, cursor: Cursor | None, limit: int
    ) -> TracePage:
        """The traces with a call that the filter lets through, by the newest such call."""
        seen = viewer.narrowed(filter_.agent_id)

        def work(session: Session) -> TracePage:
            start = cursor or beginning(session, filter_.until_ms)
            span = Span(seen, filter_.since_ms, start)
            ids, following = _page(session, filter_, span, limit, first=cursor is None)
            return TracePage(_summaries(session, viewer, ids), following)

        return await self._database.read(work)

    async def calls(self, viewer: Viewer, trace_id: str, limit: int, bytes_: int) -> TraceCalls:
        """At most `limit` calls of a trace; after `bytes_` of bodies the others are left out."""

        def work(session: Session) -> TraceCalls:
            query = select(CALL.record).where(*_of_trace(viewer, trace_id))
            query = query.order_by(CALL.ts, CALL.id).limit(limit + 1)
            texts = (str(row[0]) for row in _read(session, query))
            records = list(_bounded(texts, bytes_))
            return TraceCalls(tuple(records[:limit]), len(records) <= limit)

        return await self._database.read(work)

    async def call(self, viewer: Viewer, trace_id: str, decision_id: str) -> AuditRecord | None:
        """One call of a trace, with its bodies."""

        def work(session: Session) -> AuditRecord | None:
            query = select(CALL.record).where(*_of_trace(viewer, trace_id))
            query = query.where(no_index(CALL.decision_id) == decision_id).limit(1)
            text = session.connection().scalar(query)
            return None if text is None else read_record(str(text))

        return await self._database.read(work)

    async def newest(self, viewer: Viewer, trace_id: str) -> int:
        """A number that grows with each call of the trace; 0: there is none."""

        def work(session: Session) -> int:
            query = select(func.max(CALL.id)).where(*_of_trace(viewer, trace_id))
            return int(session.connection().scalar(query) or 0)

        return await self._database.read(work)


def _of_trace(viewer: Viewer, trace_id: str) -> Terms:
    seen = [] if viewer.agents is None else [no_index(CALL.agent_id).in_(sorted(viewer.agents))]
    return [CALL.trace_id == trace_id, *seen]


def summarised(trace_id: str, records: Sequence[AuditRecord]) -> TraceSummary:
    """The summary of these records, which are in the order of time."""
    return TraceSummary(
        trace_id=trace_id,
        agents=tuple(dict.fromkeys(record.agent_id for record in records)),
        started_ms=records[0].ts,
        ended_ms=max(int(record.ts + record.latency_ms) for record in records),
        calls=len(records),
        denied=sum(record.denied for record in records),
        alerts=sum(bool(record.alert or record.would_deny) for record in records),
        errors=sum(bool(record.error) for record in records),
        tokens_in=sum(record.tokens_in for record in records),
        tokens_out=sum(record.tokens_out for record in records),
        cost_microusd=sum(record.cost_microusd for record in records),
        what=tuple(
            dict.fromkeys(name for one in records if (name := one.tool or one.model or one.target))
        )[:_NAMES],
    )


def _page(
    session: Session, filter_: Filter, span: Span, limit: int, *, first: bool
) -> tuple[list[str], Cursor | None]:
    found: list[str] = []
    candidates = _newest_first(_matching(session, filter_, span))
    while chunk := list(islice(candidates, limit + 1)):
        asked = [trace_id for trace_id, _, _ in chunk]
        shown = set() if first else _shown(session, filter_, span, asked)
        for trace_id, ts, call_id in chunk:
            if trace_id in shown:
                continue
            if len(found) == limit:  # it is the next page's
                return found, replace(span.cursor, ts=ts, before=call_id + 1)
            found.append(trace_id)
    end = _end(session, filter_, span)
    return found, None if end is None else replace(span.cursor, ts=end[0], before=end[1])


def _size(filter_: Filter) -> int:
    return TEXT_WINDOW if filter_.text else WINDOW


def _matching(session: Session, filter_: Filter, span: Span) -> Iterator[tuple[str, int, int]]:
    """Trace, time and id of the calls of the window that the filter lets through, in order."""
    seen = window(filter_, span, _size(filter_))
    query = select(CALL.trace_id, CALL.ts, CALL.id, *_body(filter_))
    query = query.join(seen, seen.c.id == CALL.id)
    query = query.where(CALL.trace_id != "", *conditions(filter_, span.viewer))
    query = query.order_by(seen.c.ts.desc(), seen.c.id.desc())
    for row in _read(session, query):
        if not filter_.text or _tells(row[3], filter_.text):
            yield row[0], row[1], row[2]


def _newest_first(calls: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """The first call of each trace."""
    met: set[str] = set()
    for call in calls:
        if call[0] not in met:
            met.add(call[0])
            yield call


def _shown(session: Session, filter_: Filter, span: Span, trace_ids: Sequence[str]) -> set[str]:
    """Those of the traces that a page before had."""
    query = select(CALL.trace_id, *_body(filter_)).where(CALL.trace_id.in_(trace_ids))
    place = before(CALL.id, CALL.ts, span.cursor)
    query = query.where(*place, *conditions(filter_, span.viewer))
    if filter_.until_ms:
        query = query.where(CALL.ts < filter_.until_ms)
    shown: set[str] = set()
    for row in _read(session, query if filter_.text else query.distinct()):
        if row[0] not in shown and (not filter_.text or _tells(row[1], filter_.text)):
            shown.add(row[0])
    return shown


def _end(session: Session, filter_: Filter, span: Span) -> tuple[int, int] | None:
    """The last call of the window, if the window is full: there may be more behind it."""
    seen = window(filter_, span, _size(filter_))
    oldest_first = select(seen.c.ts, seen.c.id, func.count().over()).order_by(seen.c.ts, seen.c.id)
    for ts, call_id, count in _read(session, oldest_first.limit(1)):
        return (int(ts), int(call_id)) if count == _size(filter_) else None
    return None


def _read(session: Session, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
    """A few rows at a time: a record may have whole bodies."""
    asked = session.connection().execute(query, execution_options={"yield_per": 20})
    with closing(asked) as rows:
        yield from (tuple(row) for row in rows)


def _body(filter_: Filter) -> list[Column[Any]]:
    return [CALL.record] if filter_.text else []


def _tells(text: str, wanted: str) -> bool:
    record = json.loads(text)
    bodies = (str(record.get(name, "")) for name in ("input", "output"))
    return any(wanted.lower() in body.lower() for body in bodies)


_COUNTED = (
    CALL.denied.is_(True),
    (CALL.alert != "") | (CALL.would_deny != ""),
    CALL.error != "",
)
_SUMMED = (CALL.tokens_in, CALL.tokens_out, CALL.cost_microusd)


def _summaries(session: Session, viewer: Viewer, ids: list[str]) -> tuple[TraceSummary, ...]:
    columns = [
        CALL.trace_id,
        CALL.agent_id,
        func.min(CALL.ts),
        func.max(CALL.ts + CALL.latency_ms),
        func.count(),
        *(func.sum(case((one, 1), else_=0)) for one in _COUNTED),
        *(func.sum(one) for one in _SUMMED),
    ]
    query = select(*columns).where(CALL.trace_id.in_(ids))
    if viewer.agents is not None:
        query = query.where(no_index(CALL.agent_id).in_(sorted(viewer.agents)))
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for row in _read(session, query.group_by(CALL.trace_id, CALL.agent_id)):
        parts.setdefault(row[0], []).append(row)
    names = _names(session, viewer, ids)
    return tuple(_summary(one, parts[one], names.get(one, ())) for one in ids)


def _names(session: Session, viewer: Viewer, ids: list[str]) -> dict[str, tuple[str, ...]]:
    """What was called first in each trace."""
    called = (CALL.trace_id, CALL.tool, CALL.model, CALL.target)
    query = select(*called).where(CALL.trace_id.in_(ids))
    if viewer.agents is not None:
        query = query.where(no_index(CALL.agent_id).in_(sorted(viewer.agents)))
    query = query.group_by(*called).order_by(func.min(CALL.ts), func.min(CALL.id))
    found: dict[str, tuple[str, ...]] = {}
    for trace_id, *names in _read(session, query):
        known, name = found.get(trace_id, ()), next(filter(None, names), "")
        if name and name not in known and len(known) < _NAMES:
            found[trace_id] = (*known, name)
    return found


def _summary(trace_id: str, parts: list[tuple[Any, ...]], what: tuple[str, ...]) -> TraceSummary:
    """Of the sums over each agent's calls."""
    agents = tuple(part[1] for part in sorted(parts, key=lambda part: int(part[2])))
    started, ended = min(int(part[2]) for part in parts), max(int(part[3]) for part in parts)
    sums = (sum(int(part[place]) for part in parts) for place in range(4, 11))
    return TraceSummary(trace_id, agents, started, ended, *sums, what=what)


def _bounded(texts: Iterable[str], bytes_: int) -> Iterator[AuditRecord]:
    left = bytes_
    for text in texts:
        record = read_record(text)
        left -= len(record.input) + len(record.output)
        if left < 0:
            record.input = record.output = ""
            record.truncated = True
        yield record
