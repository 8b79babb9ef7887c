"""Traces, alerts and numbers: what happened, as far as who asks may see it."""

from __future__ import annotations

from collections.abc import Mapping

from amaze_app.gateway.desk import Desk
from amaze_app.gateway.principal import Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.console import (
    VERDICTS,
    Alert,
    Cursor,
    Dimension,
    Filter,
    Numbers,
    Statistics,
    TracePage,
    TraceSummary,
    read_cursor,
)
from amaze_proxy.control.sentences import REASONS, advice
from amaze_proxy.control.sequence import Limit, Step, TraceSequence, verdict
from amaze_proxy.control.traces import WINDOWS, Alerts, TraceDetail
from amaze_proxy.policy.record import AuditRecord

__all__ = [
    "LENGTH_MS",
    "PERIODS",
    "REASONS",
    "VERDICTS",
    "Alert",
    "AlertDesk",
    "AuditRecord",
    "Dimension",
    "Filter",
    "Limit",
    "Statistics",
    "StatisticsDesk",
    "Step",
    "TraceDesk",
    "TraceDetail",
    "TracePage",
    "TraceSequence",
    "TraceSummary",
    "advice",
    "verdict",
]

PERIODS = tuple(WINDOWS)
"""The names of the periods that statistics are made of: 1h, 24h, 7d."""
LENGTH_MS = {name: length * 1000 for name, (length, _) in WINDOWS.items()}
"""How long each of them is."""


class TraceDesk(Desk):
    """All methods raise Refused and Outage. `cursor` is `str(page.following)` of the page before
    ("": the first page)."""

    async def page(
        self, who: Principal, filter_: Filter, cursor: str = "", limit: int = 50
    ) -> TracePage:
        """Traces with a call that the filter lets through, newest first."""
        place = _cursor(cursor)
        with told():
            viewer = await self._viewer(who)
            return await self._services.traces.page(viewer, filter_, place, limit)

    async def detail(self, who: Principal, trace_id: str) -> TraceDetail:
        """One trace with its steps."""
        with told():
            return await self._services.traces.detail(await self._viewer(who), trace_id)

    async def call(self, who: Principal, trace_id: str, decision_id: str) -> AuditRecord:
        """One call of a trace, with its bodies."""
        with told():
            viewer = await self._viewer(who)
            return await self._services.traces.call(viewer, trace_id, decision_id)

    async def newest(self, who: Principal, trace_id: str) -> int:
        """A number that grows with each call of the trace."""
        with told():
            return await self._services.traces.newest(await self._viewer(who), trace_id)


class AlertDesk(Desk):
    """As TraceDesk."""

    async def page(
        self, who: Principal, filter_: Filter, cursor: str = "", limit: int = 50
    ) -> Alerts:
        """Alerts by agent, time and reason, newest first, and how many of each reason."""
        place = _cursor(cursor)
        with told():
            viewer = await self._viewer(who)
            return await self._services.traces.alerts(viewer, filter_, place, limit)


class StatisticsDesk(Desk):
    """All methods raise Refused and Outage. `period` is one of PERIODS."""

    async def fleet(self, who: Principal, period: str) -> Statistics:
        """The numbers of all agents that this person sees."""
        _known(period)
        with told():
            viewer, traces = await self._viewer(who), self._services.traces
            return await traces.stats(viewer, traces.last(period))

    async def agent(self, who: Principal, agent_id: str, period: str) -> Statistics:
        """The numbers of one agent."""
        _known(period)
        with told():
            await self._readable(who, agent_id)
            traces = self._services.traces
            return await traces.agent_stats(agent_id, traces.last(period))

    async def each(
        self, who: Principal, agent_ids: tuple[str, ...], period: str
    ) -> Mapping[str, Numbers]:
        """The sums of each of these agents that this person sees and that has called."""
        _known(period)
        with told():
            viewer, traces = await self._viewer(who), self._services.traces
            seen = [one for one in agent_ids if viewer.agents is None or one in viewer.agents]
            return await traces.by_agent(seen, traces.last(period))


def _known(period: str) -> None:
    if period not in PERIODS:
        raise Refused(f"the period must be one of {', '.join(PERIODS)}")


def _cursor(text: str) -> Cursor | None:
    try:
        return read_cursor(text) if text else None
    except ValueError as error:
        raise Refused(f"the page {error}") from None
