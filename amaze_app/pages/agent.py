"""One agent: what it does, what it costs, what it is refused, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

import reflex as rx

from amaze_app import charts, dashboard, routes
from amaze_app.components.charts import donut, lines_chart
from amaze_app.components.elements import badge, card, empty, kpi, link, no_agent, section
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.table import data_table
from amaze_app.components.time import time_text
from amaze_app.dashboard import Kpis, Lines
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.agents import AgentView
from amaze_app.gateway.traces import PERIODS, Dimension, Filter
from amaze_app.live import live
from amaze_app.pages.agent_acts import AgentActs, AgentRow, agent_row, buttons, claim, dialogs
from amaze_app.pages.agent_chat import AgentChat, chat
from amaze_app.pages.agent_policy import policy_of
from amaze_app.pages.trace_rows import COLUMNS, TraceRow, trace_line, trace_row
from amaze_app.policy_facts import PolicyCard, policy_card
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_DEFAULT = "24h"
_RECENT = 10


@dataclass(frozen=True)
class Standing:
    """What the header says beside the state; `barred`: why it cannot be sent a message."""

    created_ms: int = 0
    quarantined_by: str = ""
    listens: str = ""
    barred: str = "–"


_NOBODY = AgentRow("", "", "", 0, "", 0, "", False, "")


@live(routes.AGENT, Topic.CALLS, Topic.AGENTS, Topic.POLICIES)
class AgentState(AgentActs, AgentChat, PageState):
    """The agent that the address names, in the period that it names."""

    agent: str = ""
    period: str = _DEFAULT
    row: AgentRow = _NOBODY
    standing: Standing = Standing()
    kpis: Kpis = Kpis()
    lines: Lines = Lines()
    tokens: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    tools: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    peers: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    reasons: rx.Field[list[charts.Slice]] = rx.field(default_factory=list)
    traces: rx.Field[list[TraceRow]] = rx.field(default_factory=list)
    traces_href: str = ""
    policy: PolicyCard = PolicyCard()
    loaded: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the agent and the period that the URL names."""
        agent = unquote(self.router.url.path.rstrip("/").rpartition("/")[2])[:64]
        if agent != self.agent:
            self.reset()  # or what there was of the other one stays where this one cannot be shown
            self.agent = agent
        self.period = self._argument("period", PERIODS) or _DEFAULT
        await self._open()
        self.loaded = True

    async def _show(self, who: Principal) -> None:
        gateway, agent, period = self._gateway, self.agent, self.period
        found = await gateway.agents.get(who, agent)
        stats = await gateway.statistics.agent(who, agent, period)
        recent = await gateway.traces.page(who, Filter(agent_id=agent), "", _RECENT)
        current = await gateway.policies.current(who, agent)
        kept = {"agent": agent, "period": period}
        self._put(
            row=agent_row(found),
            standing=_standing(found),
            kpis=dashboard.kpis(stats),
            lines=dashboard.lines(stats),
            tokens=dashboard.tokens(stats, **kept),
            tools=dashboard.counted(stats, Dimension.TOOL, **kept),
            peers=dashboard.counted(stats, Dimension.PEER, **kept),
            reasons=dashboard.counted(stats, Dimension.REASON, **kept),
            traces=list(map(trace_row, recent.traces)),
            traces_href=routes.with_query(routes.TRACES, agent=agent),
            policy=policy_card(agent, current),
        )
        await self._follow(who)


def _standing(agent: AgentView) -> Standing:
    if not agent.changeable:
        barred = "Who owns it, and admins, can send it a message."
    elif agent.status != "approved":
        barred = f"It is {agent.status}: only an approved agent takes messages."
    elif not agent.chat:
        barred = (
            "It has registered no chat endpoint. With the SDK it does so by itself: "
            "set AMAZE_CHAT_PORT where it runs."
        )
    else:
        barred = ""
    return Standing(agent.created_ms, agent.quarantined_by, agent.listens, barred)


@rx.page(route=routes.AGENT, title="Agent · aMaze", on_load=AgentState.load)
def agent() -> rx.Component:
    """The page."""
    return page(
        "Agents",
        rx.cond(
            AgentState.loaded & (AgentState.row.agent_id == ""),
            card(no_agent("dashboard")),
            rx.fragment(
                _header(),
                _numbers(),
                _recent(),
                rx.el.div(
                    chat(AgentState, AgentState.agent, AgentState.standing.barred),
                    policy_of(AgentState.agent, AgentState.policy, AgentState.loaded),
                    class_name="mt-4 grid items-start gap-4 lg:grid-cols-2",
                ),
            ),
        ),
        dialogs(AgentState),
        heading=rx.fragment(AgentState.agent),
        beside=filter_bar(
            *(pill(one, f"?period={one}", AgentState.period == one) for one in PERIODS)
        ),
    )


def _header() -> rx.Component:
    row, standing = AgentState.row, AgentState.standing
    return card(
        rx.el.div(
            rx.cond(row.status != "", badge(row.status)),
            rx.cond(
                standing.quarantined_by != "",
                rx.el.span("by ", standing.quarantined_by, class_name="text-(--bad)"),
            ),
            rx.el.span(
                rx.el.span("Owner ", class_name="a-dim"),
                rx.cond(row.owner != "", row.owner, "nobody"),
            ),
            rx.el.span(rx.el.span("Since ", class_name="a-dim"), time_text(standing.created_ms)),
            rx.cond(
                standing.listens != "",
                rx.el.span(rx.el.span("Listens at ", class_name="a-dim"), standing.listens),
            ),
            class_name="flex min-h-8 flex-wrap items-center gap-x-5 gap-y-1 text-sm",
        ),
        rx.cond(row.agent_id != "", buttons(AgentState, row)),
        rx.cond(row.claim != "", claim(AgentState, row)),
        class_name="mb-4 flex flex-wrap items-center justify-between gap-3 px-4 py-3",
    )


def _numbers() -> rx.Component:
    shown, lines = AgentState.kpis, AgentState.lines
    ends = time_text(lines.since_ms), time_text(lines.until_ms)
    return rx.fragment(
        rx.el.div(
            kpi("Calls", shown.calls),
            kpi("Denials", shown.denied, shown.denied_below, "bad"),
            kpi("Tokens", shown.tokens, shown.tokens_below),
            kpi("Cost", shown.cost),
            kpi("Latency p50", shown.p50, "of allowed calls"),
            kpi("Latency p95", shown.p95, "of allowed calls"),
            class_name="mb-4 grid grid-cols-2 gap-4 md:grid-cols-3 xl:grid-cols-6",
        ),
        rx.el.div(
            lines_chart("Calls", (("calls", lines.calls, 1), ("denied", lines.denied, 5)), *ends),
            lines_chart("Latency, ms", (("p95", lines.p95, 3), ("p50", lines.p50, 2)), *ends),
            class_name="mb-4 grid gap-4 lg:grid-cols-2",
        ),
        rx.el.div(
            donut("Tokens by model", AgentState.tokens, "No tokens in this time.", "tokens"),
            donut("Tool calls", AgentState.tools, "No tool was called.", "tools"),
            donut("A2A hops by peer", AgentState.peers, "No other agent was called.", "peers"),
            donut("Alerts by reason", AgentState.reasons, "No alert in this time.", "reasons"),
            class_name="mb-4 grid gap-4 md:grid-cols-2 2xl:grid-cols-4",
        ),
    )


def _recent() -> rx.Component:
    return section(
        "Recent traces",
        data_table(
            COLUMNS,
            AgentState.traces,
            trace_line,
            loaded=AgentState.loaded,
            nothing=empty(
                "waypoints",
                "It has not called anything yet",
                rx.el.p("Run it with the proxy in its environment: Connect, above, says how."),
            ),
            label="Recent traces",
        ),
        beside=link("All its traces", AgentState.traces_href),
    )
