"""The archive read whole, in order: for checking it, and for taking it away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, func, select

from amaze_proxy.history.archive_tables import ArchiveCursorRow, CallRow, ChainRow
from amaze_proxy.history.columns import COLUMNS, columns, read_record
from amaze_proxy.history.database import Database
from amaze_proxy.policy.chain import Head, Link, read_link
from amaze_proxy.policy.record import GENESIS

BODILESS = ("agent_id", *COLUMNS)
"""The columns of a call as it is listed, without its bodies."""


@dataclass(frozen=True, slots=True)
class Archived:
    """A call as it is in the archive. `link` None: its text is no record any more; `altered` names
    a column that is not what the record says."""

    number: int
    agent_id: str
    entry_id: str
    writer: str
    seq: int
    decision_id: str
    link: Link | None
    altered: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """A writer's chain as the archive's own books have it: its last record, how far it is signed
    for, and the last record that retention has removed."""

    writer: str
    agent_id: str
    last: Head
    signed_seq: int
    pruned: Head


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls of an agent ("": of all) from `since_ms` to before `until_ms` (0: no end), among those
    that were there when the archive was at `last`."""

    agent_id: str = ""
    since_ms: int = 0
    until_ms: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a writer's chain that a selection takes, from number to number."""

    writer: str
    first: int
    last: int


class Ledger:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def chains(self, agent_id: str = "") -> list[Chain]:
        """The chains of an agent ("": of all)."""

        def work(session: Session) -> list[Chain]:
            query = select(ChainRow)
            if agent_id:
                query = query.where(ChainRow.agent_id == agent_id)
            return [_chain(row) for row in session.exec(query)]

        return await self._database.read(work)

    async def cursor(self, agent_id: str) -> str:
        """The last entry of the agent's stream that is here ("": none)."""

        def work(session: Session) -> str:
            row = session.get(ArchiveCursorRow, agent_id)
            return "" if row is None else row.entry_id

        return await self._database.read(work)

    async def page(self, after: int, agent_id: str = "", limit: int = 200) -> list[Archived]:
        """Calls in the order in which they were archived, read and hashed again."""

        def work(session: Session) -> list[Archived]:
            query = select(CallRow).where(col(CallRow.id) > after)
            if agent_id:
                query = query.where(CallRow.agent_id == agent_id)
            return [
                _archived(row) for row in session.exec(query.order_by(col(CallRow.id)).limit(limit))
            ]

        return await self._database.read(work)

    async def hashes(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """The hashes of the records at these places (writer and number) that are here."""

        def work(session: Session) -> dict[tuple[str, int], str]:
            numbers: dict[str, list[int]] = {}
            for writer, seq in places:
                numbers.setdefault(writer, []).append(seq)
            found: dict[tuple[str, int], str] = {}
            for writer, asked in numbers.items():
                query = select(CallRow.seq, CallRow.hash).where(CallRow.writer == writer)
                query = query.where(col(CallRow.seq).in_(asked))
                found.update({(writer, seq): digest for seq, digest in session.exec(query)})
            return found

        return await self._database.read(work)

    async def last(self) -> int:
        """The number of the newest call (0: there is none)."""

        def work(session: Session) -> int:
            return session.exec(select(func.max(CallRow.id))).one() or 0

        return await self._database.read(work)

    async def spans(self, selection: Selection) -> list[Span]:
        """The parts of chains that hold the selected calls, without a gap."""

        def work(session: Session) -> list[Span]:
            ends = (CallRow.writer, func.min(CallRow.seq), func.max(CallRow.seq))
            query = _where(select(*ends), selection).group_by(CallRow.writer)
            return [Span(*row) for row in session.execute(query.order_by(CallRow.writer))]

        return await self._database.read(work)

    async def texts(self, span: Span, after: int, limit: int = 32) -> list[tuple[int, str, str]]:
        """Number, hash and text of the records of a span, those after number `after`."""

        def work(session: Session) -> list[tuple[int, str, str]]:
            query = select(CallRow.seq, CallRow.hash, CallRow.record).where(
                CallRow.writer == span.writer
            )
            query = query.where(col(CallRow.seq) > after, col(CallRow.seq) <= span.last)
            return list(session.exec(query.order_by(col(CallRow.seq)).limit(limit)))

        return await self._database.read(work)

    async def rows(
        self, selection: Selection, after: int, limit: int = 500
    ) -> list[tuple[int, dict[str, Any]]]:
        """Number and columns of selected calls, in the order of archiving."""

        def work(session: Session) -> list[tuple[int, dict[str, Any]]]:
            query = _where(_listed(), selection).where(col(CallRow.id) > after)
            return _named(session, query.order_by(col(CallRow.id)).limit(limit))

        return await self._database.read(work)

    async def by_trace(
        self, selection: Selection, after: tuple[str, int], limit: int = 500
    ) -> list[tuple[int, dict[str, Any]]]:
        """As `rows`, in the order of traces; `after`: trace id and number of the last one."""

        def work(session: Session) -> list[tuple[int, dict[str, Any]]]:
            trace, number = col(CallRow.trace_id), col(CallRow.id)
            later = (trace > after[0]) | ((trace == after[0]) & (number > after[1]))
            query = _where(_listed(), selection).where(later)
            return _named(session, query.order_by(trace, number).limit(limit))

        return await self._database.read(work)


def _listed() -> Any:
    return select(col(CallRow.id), *(getattr(CallRow, name) for name in BODILESS))


def _named(session: Session, query: Any) -> list[tuple[int, dict[str, Any]]]:
    return [(row[0], dict(zip(BODILESS, row[1:], strict=True))) for row in session.execute(query)]


def _where(query: Any, selection: Selection) -> Any:
    query = query.where(col(CallRow.id) <= selection.last)
    if selection.agent_id:
        query = query.where(CallRow.agent_id == selection.agent_id)
    if selection.since_ms:
        query = query.where(CallRow.ts >= selection.since_ms)
    if selection.until_ms:
        query = query.where(CallRow.ts < selection.until_ms)
    return query


def _archived(row: CallRow) -> Archived:
    place = (row.id or 0, row.agent_id, row.entry_id, row.writer, row.seq, row.decision_id)
    try:
        link = read_link(row.record)
        said = columns(read_record(row.record))
    except (ValueError, TypeError, AttributeError):
        return Archived(*place, None)
    altered = next((name for name, value in said.items() if getattr(row, name) != value), "")
    return Archived(*place, link, altered)


def _chain(row: ChainRow) -> Chain:
    pruned = (row.pruned_seq, row.pruned_hash or GENESIS)
    return Chain(row.writer, row.agent_id, (row.seq, row.hash), row.signed_seq, pruned)
