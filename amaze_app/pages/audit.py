"""The evidence: who did what, whether it is whole, and a copy of it to take away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import json_view
from amaze_app.components.elements import badge, button, card, empty, link, section
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.native_form import native_form, native_link
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.audit import ACTS, STRANGERS, AuditRecord, RecordFilter, RecordLine
from amaze_app.live import live
from amaze_app.pages import audit_check
from amaze_app.pages.audit_check import CheckState
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_PAGE = 50
_EVERYTHING = "*"
_WHOSE = ((ACTS, "what people did"), (STRANGERS, "unknown callers"), (_EVERYTHING, "all records"))
_FIELDS = (("who", "Who"), ("what", "What"), ("target", "Target"), ("agent", "Whose record"))


@dataclass(frozen=True)
class RecordRow:
    """A record as the table shows it."""

    key: str
    ts: int
    who: str
    what: str
    target: str
    whose: str
    outcome: str
    tone: str
    origin: str
    href: str


@live(routes.AUDIT, Topic.CALLS)
class AuditState(PageState):
    """A page of records; the search and the record that is open are in the URL."""

    rows: rx.Field[list[RecordRow]] = rx.field(default_factory=list)
    asked: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    opened: str = ""
    before: str = ""
    after: str = ""
    facts: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    export_href: str = ""
    first_href: str = ""
    next_href: str = ""
    loaded: bool = False
    _cursor: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        names = ("agent", "who", "what", "target", "since", "until")
        self.asked = {name: self._argument(name).strip() for name in names}
        self.asked["agent"] = self.asked["agent"] or ACTS
        self.opened = self._argument("record")
        self._cursor = self._argument("cursor")
        await self._open()
        self.loaded = True

    async def _show(self, who: Principal) -> None:
        if not who.may(Need.READER):
            return
        asked, desk = dict(self.asked), self._gateway.audit
        filter_ = wanted(asked)
        found = await desk.page(who, filter_, self._cursor, _PAGE)
        here = {**asked, "cursor": self._cursor}
        following = {**asked, "cursor": str(found.following or "")}
        export = {
            "agent": filter_.agent_id,
            "since": str(filter_.since_ms or ""),
            "until": str(filter_.until_ms or ""),
        }
        self._put(
            rows=[_row(one, here) for one in found.lines],
            next_href=routes.with_query(routes.AUDIT, **following) if found.following else "",
            first_href=routes.with_query(routes.AUDIT, **asked) if self._cursor else "",
            export_href=routes.with_query(routes.EVIDENCE, **export),
        )
        if self.opened:
            record = await desk.record(who, self.opened)
            self._put(facts=facts(record), before=record.input, after=record.output)


def wanted(asked: dict[str, str]) -> RecordFilter:
    """What the URL asks for; days are those of UTC, `until` the last one. Pure."""
    return RecordFilter(
        agent_id="" if asked["agent"] == _EVERYTHING else asked["agent"],
        who=asked["who"],
        what=asked["what"],
        target=asked["target"],
        since_ms=_day_ms(asked["since"], 0),
        until_ms=_day_ms(asked["until"], 1),
    )


def _day_ms(text: str, later: int) -> int:
    """When the day begins that is `later` days after; 0 where it is no day."""
    try:
        day = date.fromisoformat(text) + timedelta(days=later)
    except (ValueError, OverflowError):
        return 0
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return max(0, int(at.timestamp() * 1000))


def facts(record: AuditRecord) -> list[tuple[str, str]]:
    """What the record says beside its bodies. Pure."""
    told = (
        ("Who", record.caller),
        ("What", record.tool or record.kind),
        ("Target", record.target),
        ("From", record.session_id if record.kind == "admin" else ""),
        ("Request", f"{record.method} {record.path}".strip()),
        ("Status", str(record.status or "")),
        ("Reason", record.denial_reason or record.error),
        ("Decision id", record.decision_id),
        ("Writer and number", f"{record.writer} {record.seq}"),
        ("Hash", record.hash),
    )
    return [(name, text) for name, text in told if text]


def _row(one: RecordLine, here: dict[str, str]) -> RecordRow:
    act = one.kind == "admin"
    begun = act and not one.status
    outcome, tone = ("begun", "calm") if begun else (one.error or str(one.status), "good")
    if one.denied or one.error or one.status >= 400:
        tone = "bad"
    return RecordRow(
        key=f"{one.decision_id}.{one.ts}",
        ts=one.ts,
        who=one.who or ("" if act else one.agent_id),
        what=one.what or one.kind,
        target=one.target,
        whose=one.agent_id,
        outcome="denied" if one.denied else outcome,
        tone=tone,
        origin=one.session_id if act else "",
        href=routes.with_query(routes.AUDIT, **here, record=one.decision_id),
    )


@rx.page(route=routes.AUDIT, title="Audit · aMaze", on_load=[AuditState.load, CheckState.load])
def audit() -> rx.Component:
    """The page."""
    return page(
        "Audit",
        rx.cond(
            PageState.can_read_all | (PageState.role == ""),
            rx.fragment(
                audit_check.verdict(),
                rx.el.div(filter_bar(*map(_whose, _WHOSE)), class_name="mt-5 mb-3"),
                _search(),
                rx.cond(AuditState.opened != "", _record()),
                card(
                    data_table(
                        ("When", "Who", "What", "Target", "Outcome", "From"),
                        AuditState.rows,
                        _line,
                        loaded=AuditState.loaded,
                        nothing=_nothing(),
                        label="Records",
                    ),
                    pager(AuditState.first_href, AuditState.next_href),
                    class_name="",
                ),
                audit_check.checkpoints(),
            ),
            card(
                empty(
                    "shield",
                    "The audit is for viewers and admins",
                    rx.el.p("The calls of your own agents are under Traces."),
                )
            ),
        ),
        beside=rx.cond(
            PageState.can_read_all,
            native_link(
                "Export",
                href=AuditState.export_href,
                download="amaze-evidence.zip",
                class_name="a-button",
                title="A ZIP with all that proves them; narrowed by agent and days only",
                id="export",
            ),
        ),
    )


def _whose(item: tuple[str, str]) -> rx.Component:
    agent, text = item
    chosen = AuditState.asked.get("agent", "") == agent
    return pill(text, routes.with_query(routes.AUDIT, agent=agent), chosen)


def _search() -> rx.Component:
    def box(name: str, label: str, kind: str = "search") -> rx.Component:
        value = AuditState.asked.get(name, "")
        return rx.el.label(
            rx.el.span(label, class_name="mb-1 block text-xs a-dim"),
            rx.el.input(
                type=kind,
                name=name,
                default_value=value,
                key=value,
                max_length=200,
                auto_complete="off",
                class_name="a-input",
            ),
            class_name="w-full sm:w-40",
        )

    return native_form(
        *(box(name, label) for name, label in _FIELDS),
        box("since", "From day (UTC)", "date"),
        box("until", "To day (UTC)", "date"),
        button("Search", tone="accent", type="submit"),
        action=routes.AUDIT,
        method="get",
        role="search",
        class_name="mb-4 flex flex-wrap items-end gap-3",
    )


def _line(row: rx.Var[RecordRow]) -> rx.Component:
    return line(
        cell(link(time_text(row.ts, seconds=True), row.href)),
        cell(rx.cond(row.who != "", row.who, "–")),
        cell(rx.el.code(row.what)),
        cell(row.target, class_name="break-all"),
        cell(badge(row.outcome, row.tone)),
        cell(row.origin, class_name="text-xs a-dim"),
        key=row.key,
        record=row.key,
    )


def _record() -> rx.Component:
    def body(title: str, text: rx.Var[str]) -> rx.Component:
        return rx.cond(
            text != "",
            rx.el.div(
                rx.el.h3(title, class_name="mb-1 text-xs font-semibold"),
                json_view(text),
                class_name="min-w-0 overflow-x-auto",
            ),
        )

    back = routes.with_query(routes.AUDIT, agent=ACTS)
    return rx.el.div(
        section(
            "Record",
            rx.el.dl(
                rx.foreach(
                    AuditState.facts,
                    lambda fact: rx.el.div(
                        rx.el.dt(fact[0], class_name="text-xs a-dim"),
                        rx.el.dd(fact[1], class_name="text-sm break-all"),
                    ),
                ),
                class_name="grid gap-3 px-4 pb-4 sm:grid-cols-2 lg:grid-cols-4",
            ),
            rx.el.div(
                body("Before, or sent", AuditState.before),
                body("After, or answered", AuditState.after),
                class_name="grid gap-4 px-4 pb-4 lg:grid-cols-2",
            ),
            beside=link("Close", rx.cond(AuditState.first_href != "", AuditState.first_href, back)),
        ),
        id="record",
        class_name="mb-4",
    )


def _nothing() -> rx.Component:
    return rx.cond(
        AuditState.next_href != "",
        empty(
            "search",
            "Not among the newest records",
            link("Look further back", AuditState.next_href),
        ),
        empty(
            "scroll-text",
            "No such record",
            rx.el.p("A record is here a second after it was written."),
            link("Show what people did", routes.AUDIT),
        ),
    )
