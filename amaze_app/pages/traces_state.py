"""What the page of the traces shows, by the filters of its URL."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app import filtering, routes
from amaze_app.filtering import Pill
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.traces import (
    LENGTH_MS,
    PERIODS,
    VERDICTS,
    Filter,
    TracePage,
)
from amaze_app.live import live
from amaze_app.pages.trace_rows import TraceRow, trace_row
from amaze_app.pulse import Topic
from amaze_app.state import Paged, PageState

_PAGE = 50
_LOOKS = 3  # windows of calls that are looked at before an empty page is shown
_AGENTS_NAMED = 100
KINDS = ("llm", "mcp", "a2a", "http")
_LINKED = ("verdict", "period", "tail")
_FIELDS = ("agent", "kind", "reason", "tool", "model", "target", "status", "text", "since", "until")
_OFF = "off"


@live(routes.TRACES, Topic.CALLS)
class TracesState(Paged, PageState):
    """A page of traces; filters, place and the tail's switch are in the URL."""

    rows: rx.Field[list[TraceRow]] = rx.field(default_factory=list)
    query: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    verdicts: rx.Field[list[Pill]] = rx.field(default_factory=list)
    periods: rx.Field[list[Pill]] = rx.field(default_factory=list)
    agents: rx.Field[list[str]] = rx.field(default_factory=list)
    since_ms: int = 0
    until_ms: int = 0
    filtered: bool = False
    tail: bool = True
    tail_href: str = ""
    newer: bool = False
    _asked: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        query = {name: self._argument(name) for name in (*_LINKED, *_FIELDS)}
        query["verdict"] = self._argument("verdict", VERDICTS)
        query["period"] = self._argument("period", PERIODS)
        query["kind"] = self._argument("kind", KINDS)
        query["tail"] = self._argument("tail", (_OFF,))
        self._place = self._argument("cursor")
        self._links({name: value for name, value in query.items() if value})
        self._asked = True
        await self._open_at(self._place)

    @allowed(Need.VIEWER)
    def apply(self, form: dict[str, str]) -> Any:
        """Goes to the address of the filters of the form."""
        given = {name: str(form.get(name, "")).strip()[:200] for name in _FIELDS}
        kept = {name: self.query.get(name, "") for name in _LINKED}
        if given["since"] or given["until"]:
            kept["period"] = ""
        return rx.redirect(routes.with_query(routes.TRACES, **kept, **given))

    @allowed(Need.VIEWER)
    async def show_newer(self) -> None:
        """Reads the page anew, while the tail is off."""
        self._asked = True
        await self._open()

    def _links(self, query: dict[str, str]) -> None:
        self.query = query
        path = routes.TRACES
        verdicts = [("", "all"), *((one, one) for one in VERDICTS)]
        self.verdicts = filtering.pills(path, query, "verdict", verdicts)
        self.periods = filtering.periods(path, query, PERIODS)
        self.since_ms = filtering.moment(query.get("since", ""))
        self.until_ms = filtering.moment(query.get("until", ""))
        self.filtered = any(name != "tail" for name in query)
        self.tail = not query.get("tail") and not self._place
        self.tail_href = routes.with_query(path, **{**query, "tail": _OFF if self.tail else ""})

    async def _show(self, who: Principal) -> None:
        if not self.tail and not self._asked:
            await self._look_for_newer(who)
            return
        self._asked = False
        found = await self._found(who)
        fleet = await self._gateway.agents.page(who, limit=_AGENTS_NAMED)
        self._put(
            rows=list(map(trace_row, found.traces)),
            agents=[one.agent_id for one in fleet.agents],
            newer=False,
        )
        self._turn(routes.TRACES, self.query, "cursor", found.following)

    async def _found(self, who: Principal) -> TracePage:
        """A page of few traces, where they are rare, is found with some more looks."""
        desk, filter_ = self._gateway.traces, self._filter()
        found = await desk.page(who, filter_, self._place, _PAGE)
        for _ in range(_LOOKS - 1):
            if found.traces or found.following is None:
                break
            found = await desk.page(who, filter_, str(found.following), _PAGE)
        return found

    async def _look_for_newer(self, who: Principal) -> None:
        if self._place or self.newer:
            return
        newest = await self._gateway.traces.page(who, self._filter(), "", 1)
        first = list(map(trace_row, newest.traces))
        self._put(newer=first != self.rows[:1])

    def _filter(self) -> Filter:
        given = self.query
        span = filtering.time_range(given, LENGTH_MS, self._now_ms())
        status = given.get("status", "")
        return Filter(
            agent_id=given.get("agent", ""),
            since_ms=span.since_ms,
            until_ms=span.until_ms,
            status=int(status) if status.isdecimal() and len(status) == 3 else 0,
            **{
                name: given.get(name, "")
                for name in ("verdict", "reason", "tool", "model", "kind", "target", "text")
            },
        )
