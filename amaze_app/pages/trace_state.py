"""What the page of a trace shows, and its handlers."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import reflex as rx

from amaze_app import diagram, format, routes
from amaze_app.diagram import Diagram
from amaze_app.evidence import Evidence, evidence
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal, Refused
from amaze_app.gateway.traces import Limit, Step, TraceDetail
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import PageState

_FIRST = 200  # steps that are shown before all are asked for
ALL = 1000
_UNFOLDED = 8  # rows; the one that was unfolded first is folded again


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
        self._most, self._newest = ALL, -1
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
            self._put(missing=True, summary=Summary(), jaeger="")
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
        latency=format.duration(record.latency_ms or None),
        tokens=format.tokens(record.tokens_in, record.tokens_out, record.estimated),
        cost=format.cost(record.cost_microusd),
        indent=f"{min(step.depth, 8) * 14}px",
    )
