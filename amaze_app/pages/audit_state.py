"""What the page of the audit shows, by the search of its URL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import reflex as rx

from amaze_app import routes
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.audit import ACTS, AuditRecord, RecordFilter, RecordLine
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import Paged, PageState

_PAGE = 50
EVERYTHING = "*"


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
class AuditState(Paged, PageState):
    """A page of records; the search and the record that is open are in the URL."""

    rows: rx.Field[list[RecordRow]] = rx.field(default_factory=list)
    asked: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    opened: str = ""
    before: str = ""
    after: str = ""
    facts: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    export_href: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        names = ("agent", "who", "what", "target", "since", "until")
        self.asked = {name: self._argument(name).strip() for name in names}
        self.asked["agent"] = self.asked["agent"] or ACTS
        self.opened = self._argument("record")
        await self._open_at(self._argument("cursor"))

    async def _show(self, who: Principal) -> None:
        if not who.may(Need.READER):
            return
        asked, desk = dict(self.asked), self._gateway.audit
        filter_ = wanted(asked)
        found = await desk.page(who, filter_, self._place, _PAGE)
        here = {**asked, "cursor": self._place}
        export = {
            "agent": filter_.agent_id,
            "since": str(filter_.since_ms or ""),
            "until": str(filter_.until_ms or ""),
        }
        self._put(
            rows=[_row(one, here) for one in found.lines],
            export_href=routes.with_query(routes.EVIDENCE, **export),
        )
        self._turn(routes.AUDIT, asked, "cursor", found.following)
        if self.opened:
            record = await desk.record(who, self.opened)
            self._put(facts=facts(record), before=record.input, after=record.output)


def wanted(asked: dict[str, str]) -> RecordFilter:
    """What the URL asks for; days are those of UTC, `until` the last one. Pure."""
    return RecordFilter(
        agent_id="" if asked["agent"] == EVERYTHING else asked["agent"],
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
