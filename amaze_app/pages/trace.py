"""One trace: who spoke to whom, in order, and the evidence of each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import reflex as rx

from amaze_app import diagram, format, routes
from amaze_app.components.elements import badge, button, card, empty, kpi, link, section
from amaze_app.components.evidence import evidence_view
from amaze_app.components.feedback import skeleton
from amaze_app.components.sequence import follow, sequence_diagram
from amaze_app.components.table import Column, cell, data_table
from amaze_app.components.time import time_text
from amaze_app.diagram import Diagram
from amaze_app.evidence import Evidence, evidence
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal, Refused
from amaze_app.gateway.traces import Limit, Step, TraceDetail
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_FIRST = 200  # steps that are shown before all are asked for
_ALL = 1000
_UNFOLDED = 8  # rows; the one that was unfolded first is folded again
_COLUMNS = 9


@dataclass(frozen=True)
class StepRow:
    """A call as the table shows it; `after` is since the first one, `indent` how deep it is below
    what it came of."""

    number: int
    key: str
    after: str
    came_from: str
    went_to: str
    label: str
    verdict: str
    reason: str
    latency: str
    tokens: str
    cost: str
    indent: str


@dataclass(frozen=True)
class Summary:
    """The numbers on top."""

    started_ms: int = 0
    calls: str = "–"
    denied: str = "–"
    tokens: str = "–"
    cost: str = "–"
    duration: str = "–"
    agents: str = ""
    verdict: str = ""
    refused: bool = False


@live(routes.TRACE, Topic.CALLS)
class TraceState(PageState):
    """The trace that the address names."""

    trace: str = ""
    summary: Summary = Summary()
    drawing: Diagram = Diagram()
    rows: rx.Field[list[StepRow]] = rx.field(default_factory=list)
    unfolded: rx.Field[list[str]] = rx.field(default_factory=list)
    details: rx.Field[dict[str, Evidence]] = rx.field(default_factory=dict)
    chosen: int = 0
    place: str = ""
    jaeger: str = ""
    all_steps: str = ""
    cut: bool = False
    missing: bool = False
    loaded: bool = False
    _limits: rx.Field[dict[str, tuple[Limit, ...]]] = rx.field(default_factory=dict)
    _newest: int = -1
    _most: int = _FIRST
    _moves: int = 0

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the trace that the address names, and unfolds the call that it names."""
        self.trace = unquote(self.router.url.path.rstrip("/").rpartition("/")[2])[:128]
        self.unfolded, self.details, self.chosen = [], {}, 0
        self._newest, self._most = -1, _FIRST
        await self._open()
        call = self._argument("call")
        self.loaded = True
        for row in self.rows:
            if row.key == call:
                await self._unfold(row)
                self._go(row.number, f"step-{row.number}")

    @allowed(Need.VIEWER)
    def pick(self, number: int) -> None:
        """Goes from an arrow to its row."""
        self._go(int(number), f"step-{int(number)}", focus=True)

    @allowed(Need.VIEWER)
    async def toggle(self, number: int) -> None:
        """Folds or unfolds a row, and goes to its arrow."""
        row = next((one for one in self.rows if one.number == number), None)
        if row is None:
            return
        if row.key in self.unfolded:
            self._fold(row.key)
        else:
            await self._unfold(row)
        self._go(row.number, f"arrow-{row.number}")

    @allowed(Need.VIEWER)
    async def show_bodies(self, key: str) -> None:
        """All that is recorded of a call's bodies."""
        for row in self.rows:
            if row.key == key and key in self.unfolded:
                await self._unfold(row, whole=True)

    @allowed(Need.VIEWER)
    async def show_all(self) -> None:
        """All steps of a long trace."""
        self._most, self._newest = _ALL, -1
        await self._open()

    def _go(self, number: int, place: str, *, focus: bool = False) -> None:
        self._moves += 1  # the same place again is another move
        self.chosen = number
        self.place = f"{place} {self._moves}{' focus' if focus else ''}"

    def _fold(self, key: str) -> None:
        self.unfolded = [one for one in self.unfolded if one != key]
        self.details = {one: shown for one, shown in self.details.items() if one != key}

    async def _unfold(self, row: StepRow, *, whole: bool = False) -> None:
        who = await self._principal()
        desk = self._gateway.traces
        record = await self._do(desk.call(who, self.trace, row.key))
        if record is None:
            return
        shown = evidence(record, self._limits.get(row.key, ()), whole=whole)
        kept = [one for one in self.unfolded if one != row.key][1 - _UNFOLDED :]
        details = {one: self.details[one] for one in kept if one in self.details}
        self.details = {**details, row.key: shown}
        self.unfolded = [*kept, row.key]

    async def _show(self, who: Principal) -> None:
        desk = self._gateway.traces
        newest = await desk.newest(who, self.trace)
        if newest == self._newest:
            return  # what has changed is in other traces
        try:
            found = await desk.detail(who, self.trace)
        except Refused:
            self._put(missing=True)
            return
        self._newest = newest
        steps = found.sequence.steps[: self._most]
        more = len(found.sequence.steps) > len(steps)
        self._limits = {step.record.decision_id: step.limits for step in steps}
        self._put(
            missing=False,
            summary=_summary(found),
            drawing=diagram.draw(found.sequence, self._most),
            rows=[_row(step, found.summary.started_ms) for step in steps],
            jaeger=_jaeger(self._gateway.settings.jaeger_url, self.trace),
            all_steps=f"Show all {len(found.sequence.steps)} calls" if more else "",
            cut=not found.whole,
        )


def _jaeger(base: str, trace_id: str) -> str:
    """The trace in Jaeger's UI; "" without one."""
    if urlsplit(base).scheme not in ("http", "https"):
        return ""
    return f"{base.rstrip('/')}/trace/{quote(trace_id, safe='')}"


def _summary(found: TraceDetail) -> Summary:
    one = found.summary
    return Summary(
        started_ms=one.started_ms,
        calls=format.count(one.calls),
        denied=format.count(one.denied),
        tokens=f"{format.short(one.tokens_in)} / {format.short(one.tokens_out)}",
        cost=format.cost(one.cost_microusd),
        duration=format.duration(one.ended_ms - one.started_ms),
        agents=format.some(one.agents, 5),
        verdict=one.verdict,
        refused=one.denied > 0,
    )


def _row(step: Step, started_ms: int) -> StepRow:
    record = step.record
    return StepRow(
        number=step.number,
        key=record.decision_id,
        after=f"+{format.duration(record.ts - started_ms)}",
        came_from=diagram.name(step.came_from),
        went_to=diagram.name(step.went_to),
        label=diagram.cut(step.label, 80),
        verdict=step.verdict,
        reason=record.denial_reason or record.would_deny or record.alert,
        latency=format.duration(record.latency_ms),
        tokens=format.tokens(record.tokens_in, record.tokens_out, record.estimated),
        cost=format.cost(record.cost_microusd),
        indent=f"{min(step.depth, 8) * 14}px",
    )


@rx.page(route=routes.TRACE, title="Trace · aMaze", on_load=TraceState.load)
def trace() -> rx.Component:
    """The page."""
    return page(
        "Traces",
        rx.cond(TraceState.missing, _missing(), _trace()),
        follow(TraceState.place),
        heading=rx.el.span(
            "Trace ", rx.el.code(TraceState.trace, class_name="text-base break-all")
        ),
        beside=rx.el.div(
            rx.cond(
                TraceState.summary.started_ms > 0,
                rx.el.span(
                    time_text(TraceState.summary.started_ms, seconds=True),
                    class_name="text-sm a-dim",
                ),
            ),
            rx.cond(TraceState.summary.verdict != "", badge(TraceState.summary.verdict)),
            rx.cond(
                TraceState.jaeger != "",
                rx.el.a(
                    "Open in Jaeger",
                    href=TraceState.jaeger,
                    target="_blank",
                    rel="noopener noreferrer",
                    class_name="a-button",
                ),
            ),
            rx.link("All traces", href=routes.TRACES, class_name="a-button"),
            class_name="flex flex-wrap items-center gap-2",
        ),
    )


def _trace() -> rx.Component:
    shown = TraceState.summary
    return rx.fragment(
        rx.el.div(
            kpi("Calls", shown.calls, shown.agents),
            kpi("Refused", shown.denied, tone="bad"),
            kpi("Tokens in / out", shown.tokens),
            kpi("Cost", shown.cost),
            kpi("Duration", shown.duration),
            class_name="mb-4 grid grid-cols-2 gap-4 md:grid-cols-3 xl:grid-cols-5",
        ),
        rx.cond(
            TraceState.loaded,
            rx.fragment(_diagram(), _steps()),
            card(skeleton(8), class_name=""),
        ),
    )


def _diagram() -> rx.Component:
    legend = rx.el.div(
        *(_sample(text, color) for text, color in diagram.LEGEND),
        class_name="flex flex-wrap gap-3 text-xs a-dim",
    )
    return rx.el.div(
        section(
            "Sequence",
            sequence_diagram(TraceState.drawing, TraceState.chosen, TraceState.pick),
            beside=legend,
        ),
        class_name="sticky top-0 z-20 mb-4",
    )


def _sample(text: str, color: str) -> rx.Component:
    return rx.el.span(
        rx.el.span(
            class_name="mr-1 inline-block h-2 w-2 rounded-full", style={"background": color}
        ),
        text,
    )


def _steps() -> rx.Component:
    return section(
        "Calls",
        data_table(
            (
                "#",
                "After",
                "From",
                "To",
                "What",
                "Verdict",
                Column("Latency", end=True),
                Column("Tokens in / out", end=True),
                Column("Cost", end=True),
            ),
            TraceState.rows,
            _step,
            loaded=TraceState.loaded,
            nothing=rx.fragment(),
            label="Calls",
        ),
        rx.cond(
            TraceState.all_steps != "",
            rx.el.div(button(TraceState.all_steps, TraceState.show_all), class_name="p-3"),
        ),
        rx.cond(
            TraceState.cut,
            rx.el.p(
                f"This trace has more than {_ALL} calls: these are the first. The others are in "
                "the list of traces by time, and in the export.",
                class_name="p-3 text-sm a-dim",
            ),
        ),
    )


def _step(row: rx.Var[StepRow]) -> rx.Component:
    open_ = TraceState.unfolded.contains(row.key)
    number = row.number.to_string()
    return rx.fragment(
        rx.el.tr(
            cell(
                rx.el.button(
                    rx.icon("chevron-right", size=14, class_name=rx.cond(open_, "rotate-90", "")),
                    number,
                    type="button",
                    id="step-" + number,
                    class_name="a-step flex items-center gap-1 tabular-nums",
                    aria_label="Call " + number,
                    custom_attrs={"aria-expanded": rx.cond(open_, "true", "false")},
                )
            ),
            cell(row.after, class_name="whitespace-nowrap tabular-nums"),
            cell(
                rx.el.span(row.came_from, style={"padding_left": row.indent}),
                class_name="whitespace-nowrap",
            ),
            cell(row.went_to, class_name="whitespace-nowrap"),
            cell(
                rx.el.span(
                    row.label, class_name="block max-w-56 truncate 2xl:max-w-xl", title=row.label
                )
            ),
            cell(
                rx.el.div(
                    badge(row.verdict),
                    rx.el.span(row.reason, class_name="text-xs a-dim"),
                    class_name="flex flex-wrap items-center gap-2",
                )
            ),
            cell(row.latency, end=True),
            cell(row.tokens, end=True),
            cell(row.cost, end=True),
            on_click=TraceState.toggle(row.number),
            class_name="a-step",
            custom_attrs={
                "data-step": row.number,
                "data-chosen": rx.cond(TraceState.chosen == row.number, "true", "false"),
            },
        ),
        rx.cond(
            open_,
            rx.el.tr(
                rx.el.td(
                    evidence_view(TraceState.details[row.key], TraceState.show_bodies(row.key)),
                    col_span=_COLUMNS,
                ),
                custom_attrs={"data-details": row.number},
            ),
        ),
        key=row.key,
    )


def _missing() -> Any:
    return card(
        empty(
            "waypoints",
            "No such trace, or none that you may see",
            rx.el.p(
                "Calls are shown within a second; old ones go when their time of keeping ends."
            ),
            link("All traces", routes.TRACES),
        ),
        class_name="",
    )
