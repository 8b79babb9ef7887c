"""The alerts: what was refused, would have been, or was let pass with a reason."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import charts, filtering, format, routes
from amaze_app.charts import Slice
from amaze_app.components.charts import donut
from amaze_app.components.elements import badge, card, empty, link
from amaze_app.components.filters import filter_bar, pill, search_box
from amaze_app.components.table import cell, data_table, pager
from amaze_app.components.time import time_text
from amaze_app.filtering import Pill
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.traces import LENGTH_MS, PERIODS, Alert, Filter
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import Paged, PageState

_PAGE = 50
_DEFAULT = "7d"


@dataclass(frozen=True)
class AlertRow:
    """An alert as the table shows it; without a trace, `href` is ""."""

    key: str
    ts: int
    agent_id: str
    agent_href: str
    what: str
    effect: str
    reasons: str
    version: str
    version_href: str
    href: str


@live(routes.ALERTS, Topic.CALLS)
class AlertsState(Paged, PageState):
    """A page of alerts; filters and place are in the URL."""

    rows: rx.Field[list[AlertRow]] = rx.field(default_factory=list)
    slices: rx.Field[list[Slice]] = rx.field(default_factory=list)
    reasons: rx.Field[list[Pill]] = rx.field(default_factory=list)
    periods: rx.Field[list[Pill]] = rx.field(default_factory=list)
    reason: str = ""
    agent: str = ""
    period: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self.reason, self.agent = self._argument("reason"), self._argument("agent")
        self.period = self._argument("period", PERIODS)
        await self._open_at(self._argument("cursor"))

    async def _show(self, who: Principal) -> None:
        period = self.period or _DEFAULT
        filter_ = Filter(
            agent_id=self.agent,
            reason=self.reason,
            since_ms=self._now_ms() - LENGTH_MS[period],
        )
        found = await self._gateway.alerts.page(who, filter_, self._place, _PAGE)
        query = {"reason": self.reason, "agent": self.agent, "period": self.period}
        here = {name: value for name, value in query.items() if value}
        counts = [(one.name, one.numbers.calls) for one in found.reasons]
        known = [(name, f"{name} {format.short(count)}") for name, count in counts if count]
        if self.reason and self.reason not in dict(known):
            known.append((self.reason, self.reason))
        path = routes.ALERTS
        self._put(
            rows=list(map(_row, found.page.alerts)),
            slices=charts.slices(
                [
                    (name, count, routes.with_query(path, **{**here, "reason": name}))
                    for name, count in counts
                ]
            ),
            reasons=filtering.pills(path, here, "reason", [("", "all reasons"), *known]),
            periods=filtering.pills(
                path,
                {**here, "period": period},
                "period",
                [(one, one) for one in PERIODS],
            ),
        )
        self._turn(path, here, "cursor", found.page.following)


def _row(alert: Alert) -> AlertRow:
    version = alert.policy_version
    return AlertRow(
        key=alert.decision_id,
        ts=alert.ts,
        agent_id=alert.agent_id,
        agent_href=routes.agent(alert.agent_id),
        what=alert.tool or alert.model or alert.target or alert.kind,
        effect="denied" if alert.denied else "would deny" if alert.would_deny else "alert",
        reasons=", ".join(alert.reasons),
        version=str(version) if version else "–",
        version_href=routes.policy_version(alert.agent_id, version) if version else "",
        href=routes.trace(alert.trace_id, alert.decision_id) if alert.trace_id else "",
    )


@rx.page(route=routes.ALERTS, title="Alerts · aMaze", on_load=AlertsState.load)
def alerts() -> rx.Component:
    """The page."""
    return page(
        "Alerts",
        rx.el.div(
            donut("By reason", AlertsState.slices, "No alert in this time.", "by-reason"),
            card(
                rx.el.p("Reason", class_name="mb-2 text-xs a-dim"),
                filter_bar(
                    rx.foreach(
                        AlertsState.reasons, lambda one: pill(one.text, one.href, one.chosen)
                    )
                ),
                rx.el.p("Agent", class_name="mt-4 mb-2 text-xs a-dim"),
                search_box(
                    routes.ALERTS,
                    "agent",
                    AlertsState.agent,
                    "Agent id",
                    reason=AlertsState.reason,
                    period=AlertsState.period,
                ),
                class_name="min-w-0 p-4",
            ),
            class_name="mb-4 grid min-h-44 gap-4 lg:grid-cols-[minmax(320px,2fr)_3fr]",
        ),
        card(
            data_table(
                ("Time", "Agent", "What", "Effect", "Reason", "Policy", ""),
                AlertsState.rows,
                _line,
                loaded=AlertsState.loaded,
                nothing=_nothing(),
                label="Alerts",
            ),
            pager(AlertsState.first_href, AlertsState.next_href),
            class_name="",
        ),
        beside=filter_bar(
            rx.foreach(AlertsState.periods, lambda one: pill(one.text, one.href, one.chosen))
        ),
    )


def _line(row: rx.Var[AlertRow]) -> rx.Component:
    return rx.el.tr(
        cell(
            rx.cond(
                row.href != "",
                rx.link(
                    time_text(row.ts, seconds=True),
                    href=row.href,
                    underline="none",
                    class_name="a-link",
                ),
                time_text(row.ts, seconds=True),
            )
        ),
        cell(link(row.agent_id, row.agent_href)),
        cell(rx.el.span(row.what, class_name="block max-w-80 truncate", title=row.what)),
        cell(badge(row.effect)),
        cell(row.reasons),
        cell(rx.cond(row.version_href != "", link(row.version, row.version_href), row.version)),
        cell(rx.cond(row.href != "", link("Trace", row.href)), end=True),
        key=row.key,
        custom_attrs={"data-alert": row.key},
    )


def _nothing() -> rx.Component:
    return rx.cond(
        (AlertsState.reason == "") & (AlertsState.agent == ""),
        empty(
            "bell",
            "No alert in this time",
            rx.el.p("What a policy refuses, or would refuse in shadow mode, shows up here."),
            link("All traces", routes.TRACES),
        ),
        empty(
            "list-filter",
            "No alert like this in this time",
            rx.el.p("Choose more time, or take a filter away."),
            link("Show all alerts", routes.ALERTS),
        ),
    )
