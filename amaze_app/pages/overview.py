"""The fleet at a glance: what runs, what it costs, what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import charts, dashboard, format, routes
from amaze_app.components.charts import donut, lines_chart
from amaze_app.components.elements import badge, card, empty, kpi, link, section
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.table import Column, cell, data_table, line
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.traces import PERIODS, Dimension
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_FLEET = 50
_DEFAULT = "24h"


@dataclass(frozen=True)
class FleetRow:
    """An agent and its numbers of the period."""

    agent_id: str
    status: str
    owner: str
    calls: str
    denied: str
    cost: str
    href: str


@dataclass(frozen=True)
class Kpis:
    """The numbers on top."""

    agents: str = "–"
    agents_below: str = ""
    calls: str = "–"
    denied: str = "–"
    denied_below: str = ""
    cost: str = "–"
    tokens: str = "–"
    latency: str = "–"
    latency_below: str = ""


@live(routes.OVERVIEW, Topic.CALLS, Topic.AGENTS)
class OverviewState(PageState):
    """The numbers of a period, which is in the URL."""

    period: str = _DEFAULT
    kpis: Kpis = Kpis()
    calls: charts.Series = charts.NO_SERIES
    denied: charts.Series = charts.NO_SERIES
    since_ms: int = 0
    until_ms: int = 0
    tokens: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    tools: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    peers: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    reasons: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    rows: rx.Field[list[FleetRow]] = rx.field(default_factory=list)
    pending: int = 0
    quarantined: int = 0
    beyond: int = 0
    loaded: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the period that the URL names."""
        self.period = self._argument("period", PERIODS) or _DEFAULT
        await self._open()
        self.loaded = True

    async def _show(self, who: Principal) -> None:
        gateway, period = self._gateway, self.period
        counts = await gateway.agents.counts(who)
        fleet = (await gateway.agents.page(who, limit=_FLEET)).agents
        each = await gateway.statistics.each(who, tuple(one.agent_id for one in fleet), period)
        stats = await gateway.statistics.fleet(who, period)
        total, numbers = stats.total, stats.total.numbers
        called = [float(bucket.numbers.calls) for bucket in stats.buckets]
        refused = [float(bucket.numbers.denied) for bucket in stats.buckets]
        top = max(called, default=0)
        rows = []
        for one in fleet:
            mine = each.get(one.agent_id)
            rows.append(
                FleetRow(
                    agent_id=one.agent_id,
                    status=one.status,
                    owner=one.owner,
                    calls=format.count(mine.calls) if mine else "0",
                    denied=format.count(mine.denied) if mine else "0",
                    cost=format.cost(mine.cost_microusd) if mine else "$0",
                    href=routes.agent(one.agent_id),
                )
            )
        self._put(
            pending=counts.get("pending", 0),
            quarantined=counts.get("quarantined", 0),
            beyond=sum(counts.values()) - len(fleet),
            kpis=Kpis(
                agents=format.count(counts.get("approved", 0)),
                agents_below=f"approved, of {sum(counts.values())}",
                calls=format.short(numbers.calls),
                denied=format.short(numbers.denied),
                denied_below=f"{format.share(numbers.denied, numbers.calls)} of the calls",
                cost=format.cost(numbers.cost_microusd),
                tokens=format.short(numbers.tokens_in + numbers.tokens_out),
                latency=format.duration(total.p95_ms),
                latency_below=f"half within {format.duration(total.p50_ms)}",
            ),
            calls=charts.series(called, top),
            denied=charts.series(refused, top),
            since_ms=stats.period.since_s * 1000,
            until_ms=stats.period.until_s * 1000,
            tokens=dashboard.tokens(stats, period=period),
            tools=dashboard.counted(stats, Dimension.TOOL, period=period),
            peers=dashboard.counted(stats, Dimension.PEER, period=period),
            reasons=dashboard.counted(stats, Dimension.REASON, period=period),
            rows=rows,
        )


@rx.page(route=routes.OVERVIEW, title="Overview · aMaze", on_load=OverviewState.load)
def overview() -> rx.Component:
    """The page."""
    shown = OverviewState.kpis
    return page(
        "Overview",
        rx.el.div(
            _waiting("pending", OverviewState.pending, " waiting for approval"),
            _waiting("quarantined", OverviewState.quarantined, " stopped"),
            class_name="mb-4 flex flex-wrap gap-3 empty:hidden",
        ),
        rx.el.div(
            kpi("Agents", shown.agents, shown.agents_below),
            kpi("Calls", shown.calls),
            kpi("Denials", shown.denied, shown.denied_below, "bad"),
            kpi("Cost", shown.cost),
            kpi("Tokens", shown.tokens),
            kpi("Latency p95", shown.latency, shown.latency_below),
            class_name="mb-4 grid grid-cols-2 gap-4 md:grid-cols-3 xl:grid-cols-6",
        ),
        rx.el.div(
            lines_chart(
                "Calls",
                (("calls", OverviewState.calls, 1), ("denied", OverviewState.denied, 5)),
                time_text(OverviewState.since_ms),
                time_text(OverviewState.until_ms),
            ),
            class_name="mb-4",
        ),
        rx.el.div(
            donut("Tokens by model", OverviewState.tokens, "No tokens in this time.", "tokens"),
            donut("Tool calls", OverviewState.tools, "No tool was called.", "tools"),
            donut("A2A hops by peer", OverviewState.peers, "No agent called another.", "peers"),
            donut("Alerts by reason", OverviewState.reasons, "No alert in this time.", "reasons"),
            class_name="mb-4 grid gap-4 md:grid-cols-2 2xl:grid-cols-4",
        ),
        section(
            "Fleet",
            data_table(
                (
                    "Agent",
                    "Status",
                    "Owner",
                    Column("Calls", end=True),
                    Column("Denied", end=True),
                    Column("Cost", end=True),
                ),
                OverviewState.rows,
                _row,
                loaded=OverviewState.loaded,
                nothing=empty(
                    "bot",
                    "No agent has registered yet",
                    rx.el.p("Add one, or run any program with amaze run."),
                    link("Add an agent", routes.AGENTS),
                ),
                label="Fleet",
            ),
            rx.cond(
                OverviewState.beyond > 0,
                rx.el.p(
                    link(OverviewState.beyond.to_string() + " more agents", routes.AGENTS),
                    class_name="px-4 py-3 text-sm",
                ),
            ),
            beside=link("All agents", routes.AGENTS),
        ),
        beside=filter_bar(
            *(
                pill(
                    one, routes.with_query(routes.OVERVIEW, period=one), OverviewState.period == one
                )
                for one in PERIODS
            )
        ),
    )


def _waiting(status: str, count: rx.Var[int], what: str) -> rx.Component:
    """What somebody should look at."""
    return rx.cond(
        count > 0,
        card(
            badge(status),
            link(count.to_string() + what, routes.with_query(routes.AGENTS, status=status)),
            class_name="flex items-center gap-3 px-4 py-3 text-sm",
        ),
    )


def _row(row: rx.Var[FleetRow]) -> rx.Component:
    return line(
        cell(link(row.agent_id, row.href)),
        cell(badge(row.status)),
        cell(rx.cond(row.owner != "", row.owner, "–")),
        cell(row.calls, end=True),
        cell(row.denied, end=True),
        cell(row.cost, end=True),
        key=row.agent_id,
        agent=row.agent_id,
    )
