"""The newest calls of the agents, as they come."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes, runtime, texts
from amaze_app.components.elements import DIM, empty, notice, pill, snippet, waiting
from amaze_app.feed import KEPT, Call
from amaze_app.gateway import Outage, Refused
from amaze_app.state import PageState
from amaze_app.template import page

_SHOWN = 100
_DENIED = "denied"


@dataclass(frozen=True)
class CallRow:
    """A call as the table shows it."""

    key: str
    time: str
    agent: str
    agent_href: str
    kind: str
    target: str
    what: str
    verdict: str
    reason: str
    tokens: str
    cost: str
    latency: str
    decision_id: str


class CallsState(PageState):
    """The newest calls; the filters are in the URL."""

    rows: rx.Field[list[CallRow]] = rx.field(default_factory=list)
    agent: str = ""
    verdict: str = ""
    trouble: str = ""
    loaded: bool = False
    all_href: str = routes.CALLS
    denied_href: str = routes.CALLS
    _version: int = -1

    @rx.event
    async def load(self) -> None:
        """Reads the calls that the URL names."""
        query = self.router.url.query_parameters
        self.agent = query.get("agent", "")[:64]
        self.verdict = _DENIED if query.get("verdict") == _DENIED else ""
        self.all_href = routes.with_query(routes.CALLS, agent=self.agent)
        self.denied_href = routes.with_query(routes.CALLS, agent=self.agent, verdict=_DENIED)
        self.notice = ""
        self._version = -1
        await self._refresh()
        self.loaded = True

    async def _refresh(self) -> None:
        """Shows what there is now, if that is not what is shown."""
        feed = runtime.current().feed
        version = feed.version
        if version == self._version:
            return
        try:
            calls = await feed.calls(self.agent)
            self._well()
        except (Refused, Outage) as error:
            calls = []
            self._unwell(str(error))
        wanted = [call for call in calls if call.denied or self.verdict != _DENIED]
        rows = [_row(call) for call in wanted[:_SHOWN]]
        if rows != self.rows:
            self.rows = rows
        self.trouble = feed.trouble
        self._version = version


def _row(call: Call) -> CallRow:
    return CallRow(
        key=call.key,
        time=texts.moment(call.ts),
        agent=call.agent_id if call.identified else "not identified",
        agent_href=routes.with_query(routes.CALLS, agent=call.agent_id),
        kind=call.kind,
        target=call.target,
        what=call.what,
        verdict=_verdict(call),
        reason=call.reason or call.would_deny or call.alert or call.error,
        tokens=texts.tokens(call.tokens_in, call.tokens_out, call.estimated),
        cost=texts.cost(call.cost_microusd),
        latency=texts.latency(call.latency_ms),
        decision_id=call.decision_id,
    )


def _verdict(call: Call) -> str:
    if call.denied:
        return "denied"
    if call.would_deny or call.alert:
        return "alert"
    return "failed" if call.error or call.status >= 500 else "allowed"


@rx.page(route=routes.CALLS, title="Calls · aMaze", on_load=CallsState.load)
def calls() -> rx.Component:
    """The page."""
    return page(
        "Calls",
        notice(CallsState.notice, CallsState.dismiss),
        rx.cond(
            CallsState.loaded,
            rx.cond(CallsState.rows.length() > 0, _table(), _nothing()),
            waiting(),
        ),
        beside=_filters(),
    )


def _filters() -> rx.Component:
    return rx.el.div(
        rx.cond(
            CallsState.agent != "",
            rx.link(
                "agent ",
                CallsState.agent,
                rx.icon("x", size=12),
                href=routes.CALLS,
                underline="none",
                aria_label="All agents",
                class_name="flex items-center gap-1 rounded-full bg-(--accent-9) px-3 py-1 "
                "text-sm text-white",
            ),
        ),
        pill("all", CallsState.all_href, CallsState.verdict == ""),
        pill("denied", CallsState.denied_href, CallsState.verdict == _DENIED),
        rx.cond(
            CallsState.trouble == "",
            rx.badge("live", color_scheme="green", id="live"),
            rx.badge(CallsState.trouble, color_scheme="red", id="live"),
        ),
        class_name="flex flex-wrap items-center gap-2",
    )


def _table() -> rx.Component:
    heads = ("Time (UTC)", "Agent", "Call", "Verdict", "Reason")
    numbers = ("Tokens in / out", "Cost", "Took")
    return rx.el.div(
        rx.table.root(
            rx.table.header(
                rx.table.row(
                    *(rx.table.column_header_cell(head) for head in heads),
                    *(rx.table.column_header_cell(head, justify="end") for head in numbers),
                )
            ),
            rx.table.body(rx.foreach(CallsState.rows, _call)),
            variant="surface",
            size="1",
            id="calls",
        ),
        rx.el.p(
            f"The newest {_SHOWN} of the last {KEPT} calls. amaze audit tail reads further back.",
            class_name=f"mt-3 text-xs {DIM}",
        ),
    )


def _call(row: rx.Var[CallRow]) -> rx.Component:
    return rx.table.row(
        rx.table.cell(row.time, class_name="whitespace-nowrap"),
        rx.table.cell(rx.link(row.agent, href=row.agent_href)),
        rx.table.cell(
            rx.el.span(row.kind, class_name=f"mr-2 {DIM}"),
            rx.el.span(row.what),
            rx.el.div(row.target, class_name=f"text-xs {DIM}"),
        ),
        rx.table.cell(_badge(row.verdict)),
        rx.table.cell(row.reason),
        rx.table.cell(row.tokens, justify="end", class_name="whitespace-nowrap"),
        rx.table.cell(row.cost, justify="end"),
        rx.table.cell(row.latency, justify="end", class_name="whitespace-nowrap"),
        key=row.key,
        title=row.decision_id,
        align="center",
        custom_attrs={"data-verdict": row.verdict},
    )


def _badge(verdict: rx.Var[str]) -> rx.Component:
    colors = rx.match(verdict, ("allowed", "green"), ("denied", "red"), ("alert", "amber"), "gray")
    return rx.badge(verdict, color_scheme=colors)


def _nothing() -> rx.Component:
    return rx.cond(
        (CallsState.agent == "") & (CallsState.verdict == ""),
        empty(
            "activity",
            "No call has been made yet",
            rx.el.p("Run an approved agent; each of its calls shows up here within a second."),
            rx.el.div(
                snippet("amaze run --agent my-agent -- python agent.py", "copy"),
                class_name="w-full max-w-xl",
            ),
            rx.link("See the agents", href=routes.AGENTS),
        ),
        empty(
            "list-filter",
            "No such call among the newest",
            rx.link("Show all calls", href=routes.CALLS),
        ),
    )
