"""What happened: traces, alerts and numbers, each as far as its viewer may see them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import PeriodInvalid, TraceNotFound, checked_id
from amaze_proxy.control.sequence import TraceSequence, sequence
from amaze_proxy.history.alerts import AlertPage
from amaze_proxy.history.bundle import History
from amaze_proxy.history.queries import Cursor, Filter, Viewer
from amaze_proxy.history.rollups import HOUR_S, MINUTE_S, MINUTES_KEPT_S
from amaze_proxy.history.statistics import Named, Numbers, Period, Statistics
from amaze_proxy.history.traces import TracePage, TraceSummary, summarised
from amaze_proxy.policy.record import AuditRecord

STEPS_MOST = 1000
BODIES_MOST = 8 * 1024 * 1024
BUCKETS_MOST = 250
_TRACE_ID = re.compile(r"[!-~]{1,128}")
WINDOWS = {"1h": (HOUR_S, MINUTE_S), "24h": (24 * HOUR_S, HOUR_S), "7d": (168 * HOUR_S, 3 * HOUR_S)}
"""The named periods that end now: how long, and in buckets of what, in seconds."""


@dataclass(frozen=True, slots=True)
class TraceDetail:
    """A trace; not `whole`: it has more than STEPS_MOST calls, and these are the first."""

    summary: TraceSummary
    sequence: TraceSequence
    whole: bool


@dataclass(frozen=True, slots=True)
class Alerts:
    """A page of alerts, and how many of each reason the week has had."""

    page: AlertPage
    reasons: tuple[Named, ...]


class Traces:
    """Reads the archive. All methods raise HistoryUnavailable."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def page(
        self, viewer: Viewer, filter_: Filter, cursor: Cursor | None, limit: int
    ) -> TracePage:
        """Traces with a call that the filter lets through, newest first. Raises InvalidId."""
        if filter_.agent_id:
            checked_id(filter_.agent_id)
        return await self._history.traces.page(viewer, filter_, cursor, limit)

    async def detail(self, viewer: Viewer, trace_id: str) -> TraceDetail:
        """One trace, as far as the viewer may see it. Raises TraceNotFound."""
        missing = TraceNotFound("there is no such trace, or none that you may see")
        if not _TRACE_ID.fullmatch(trace_id):
            raise missing
        found = await self._history.traces.calls(viewer, trace_id, STEPS_MOST, BODIES_MOST)
        if not found.records:
            raise missing
        summary = summarised(trace_id, found.records)
        return TraceDetail(summary, sequence(found.records), found.whole)

    async def call(self, viewer: Viewer, trace_id: str, decision_id: str) -> AuditRecord:
        """One call of a trace, with its bodies. Raises TraceNotFound."""
        found = await self._history.traces.call(viewer, trace_id, decision_id)
        if found is None:
            raise TraceNotFound("there is no such call, or none that you may see")
        return found

    async def newest(self, viewer: Viewer, trace_id: str) -> int:
        """A number that grows with each call of the trace."""
        return await self._history.traces.newest(viewer, trace_id)

    async def alerts(
        self, viewer: Viewer, filter_: Filter, cursor: Cursor | None, limit: int
    ) -> Alerts:
        """Alerts of the filter's agent, time and reason, newest first, and how many there were
        of each reason in its time (without one: in the last seven days). Raises InvalidId."""
        if filter_.agent_id:
            checked_id(filter_.agent_id)
        page = await self._history.alerts.page(viewer, filter_, cursor, limit)
        seen = viewer.narrowed(filter_.agent_id)
        reasons = await self._history.statistics.reasons(seen, self._counted(filter_))
        return Alerts(page, reasons)

    async def stats(self, viewer: Viewer, period: Period) -> Statistics:
        """The numbers of a period."""
        return await self._history.statistics.of(viewer, period)

    async def agent_stats(self, agent_id: str, period: Period) -> Statistics:
        """The same of one agent, also when it was deleted. Raises InvalidId."""
        return await self.stats(Viewer(frozenset((checked_id(agent_id),))), period)

    async def by_agent(self, agent_ids: Collection[str], period: Period) -> dict[str, Numbers]:
        """The sums of each of these agents; those without a call are not in it."""
        return await self._history.statistics.by_agent(agent_ids, period)

    def last(self, name: str) -> Period:
        """The period of `WINDOWS` that ends now, with the bucket that has just begun."""
        length, bucket = WINDOWS[name]
        until = (self._clock() // 1000 // bucket + 1) * bucket
        return Period(until - length, until, bucket)

    def between(self, since_ms: int, until_ms: int, bucket_s: int) -> Period:
        """The buckets that have to do with the time given (until 0: now; bucket 0: one of the
        hour's size that fits). Raises PeriodInvalid."""
        until_ms = until_ms or self._clock()
        bucket = bucket_s or max(1, -(-(until_ms - since_ms) // (168 * HOUR_S * 1000))) * HOUR_S
        if bucket % MINUTE_S:
            raise PeriodInvalid("bucket must be a number of whole minutes, in seconds")
        since, until = since_ms // 1000 // bucket * bucket, -(-until_ms // (1000 * bucket)) * bucket
        if not 0 < (until - since) // bucket <= BUCKETS_MOST:
            raise PeriodInvalid(
                f"since must be before until, and at most {BUCKETS_MOST} buckets between them"
            )
        if bucket % HOUR_S and since * 1000 < self._clock() - MINUTES_KEPT_S * 1000:
            raise PeriodInvalid("minutes are kept for two days: ask for buckets of whole hours")
        return Period(since, until, bucket)

    def _counted(self, filter_: Filter) -> Period:
        until = filter_.until_ms or self._clock()
        since = filter_.since_ms or until - 168 * HOUR_S * 1000
        hours = since // 1000 // HOUR_S, until // 1000 // HOUR_S + 1
        return Period(hours[0] * HOUR_S, hours[1] * HOUR_S, HOUR_S)
