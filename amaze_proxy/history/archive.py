"""The archive of calls: what was moved here from the streams, once each, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, func, select

from amaze_proxy.history.archive_tables import ArchiveCursorRow, CallRow, ChainRow, FlawRow
from amaze_proxy.history.columns import as_words, columns, read_record
from amaze_proxy.history.database import Database
from amaze_proxy.history.errors import HistoryLost
from amaze_proxy.history.rollups import roll_up
from amaze_proxy.policy.chain import INSERTED, REORDERED, Chains, Flaw, Link, escaped, link_of
from amaze_proxy.policy.record import GENESIS, AuditRecord, as_body, to_json


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record and the id of its entry in the stream (`ms-n`); `text` as it is stored there (""
    for the form that `to_json` gives it)."""

    entry_id: str
    record: AuditRecord
    text: str = ""


@dataclass(frozen=True, slots=True)
class StreamJunk:
    """An entry that is no record."""

    entry_id: str
    text: str


@dataclass(frozen=True, slots=True)
class FoundFlaw:
    """A flaw that was found while archiving, by its number; `text` is the entry where it could
    not become a row of the archive."""

    number: int
    flaw: Flaw
    text: str


class ArchiveHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursors(self) -> dict[str, str]:
        """For each agent the last entry that is here."""

        def work(session: Session) -> dict[str, str]:
            return {row.agent_id: row.entry_id for row in session.exec(select(ArchiveCursorRow))}

        return await self._database.read(work)

    async def append(
        self, agent_id: str, items: Sequence[StreamRecord | StreamJunk], after: str = "0-0"
    ) -> int:
        """The next of one agent's stream, oldest first, the flaws in it, and the cursor, in one
        transaction; how many records were new. What is behind the cursor is here already.

        `after` is the entry up to which the caller has archived. Raises HistoryLost when that is
        not here any more: what lies between would be missing.
        """

        def work(session: Session) -> int:
            return _append(session, agent_id, items, after)

        return await self._database.write(work) if items else 0

    async def newest(
        self, agent_id: str, limit: int, before: tuple[str, str] | None = None
    ) -> list[StreamRecord]:
        """An agent's newest records first; those before one, named by its entry and its decision,
        where that is archived."""

        def work(session: Session) -> list[StreamRecord]:
            query = select(CallRow.entry_id, CallRow.record).where(CallRow.agent_id == agent_id)
            if before is not None and (place := _place(session, agent_id, *before)) is not None:
                query = query.where(col(CallRow.id) < place)
            query = query.order_by(col(CallRow.id).desc()).limit(limit)
            return [
                StreamRecord(entry, read_record(text), text) for entry, text in session.exec(query)
            ]

        return await self._database.read(work)

    async def untold(self) -> list[FoundFlaw]:
        """The flaws, oldest first, that no alarm was raised for yet."""

        def work(session: Session) -> list[FoundFlaw]:
            query = select(FlawRow).where(col(FlawRow.told).is_(False)).order_by(col(FlawRow.id))
            return [_found(row) for row in session.exec(query.limit(100))]

        return await self._database.read(work)

    async def told(self, number: int) -> None:
        """The alarm of this flaw is in the log."""

        def work(session: Session) -> None:
            session.get_one(FlawRow, number).told = True

        await self._database.write(work)


def _append(
    session: Session, agent_id: str, items: Sequence[StreamRecord | StreamJunk], after: str
) -> int:
    cursor = session.get(ArchiveCursorRow, agent_id, with_for_update=True)
    if cursor is None:
        cursor = ArchiveCursorRow(agent_id=agent_id, entry_id="0-0")
        session.add(cursor)
        session.flush()  # another archiver that is as far waits here, and looks again
    place = entry_order(cursor.entry_id)
    if place < entry_order(after):
        raise HistoryLost(f"{agent_id} was archived up to {after}, now up to {cursor.entry_id}")
    fresh = [item for item in items if entry_order(item.entry_id) > place]
    if not fresh:
        return 0
    cursor.entry_id = fresh[-1].entry_id
    usable = [_usable(item) for item in fresh]
    page = _Page(session, agent_id, [one for one in usable if isinstance(one, StreamRecord)])
    for item in usable:
        page.take(item)
    page.save()
    return len(page.added)


class _Page:
    """Some entries of one stream on their way into the archive."""

    def __init__(self, session: Session, agent_id: str, records: Sequence[StreamRecord]) -> None:
        self._session = session
        self._agent_id = agent_id
        writers = {one.record.writer for one in records}
        asked = select(ChainRow).where(col(ChainRow.writer).in_(writers))
        self._rows = {row.writer: row for row in session.exec(asked)}
        self._taken = _taken(session, records)
        self._chains = Chains({row.writer: (row.seq, row.hash) for row in self._rows.values()})
        self._kept: dict[str, str] = {}  # entries that cannot be rows
        self.added: list[dict[str, Any]] = []

    def take(self, item: StreamRecord | StreamJunk) -> None:
        if isinstance(item, StreamJunk):
            self._kept[item.entry_id] = item.text
            self._stranger(item.entry_id, "the entry is no record")
            return
        text = escaped(item.text or to_json(item.record))
        link = link_of(as_body(item.record), text)
        self._chains.follow(link, item.entry_id)
        if link.agent_id != self._agent_id:
            self._kept[item.entry_id] = text
            self._stranger(item.entry_id, f"it is a record of {link.agent_id}", link)
        if (link.writer, link.seq) in self._taken:
            self._kept[item.entry_id] = text
            return
        self._taken.add((link.writer, link.seq))
        place = {"agent_id": self._agent_id, "entry_id": item.entry_id, "record": text}
        self.added.append({**place, **columns(item.record)})

    def save(self) -> None:
        """The chains as far as they are now, and what was wrong with them."""
        for writer, (seq, digest) in self._chains.heads.items():
            row = self._rows.get(writer) or _chain(writer, self._agent_id)
            row.seq, row.hash = seq, as_words(digest)[:64]
            self._session.add(row)
        for flaw in self._chains.flaws:
            self._session.add(self._flaw(flaw))
        if self.added:
            self._number()
            self._session.connection().execute(insert(CallRow), self.added)
            roll_up(self._session, self.added)

    def _number(self) -> None:
        """Nobody else writes while we do, so the numbers are ours to give."""
        last = self._session.exec(select(func.max(CallRow.id))).one() or 0
        for number, row in enumerate(self.added, last + 1):
            row["id"] = number

    def _stranger(self, entry_id: str, what: str, link: Link | None = None) -> None:
        writer, seq, decision_id = (
            (link.writer, link.seq, link.decision_id) if link else ("", 0, "")
        )
        self._chains.note(Flaw(INSERTED, writer, seq, what, self._agent_id, decision_id, entry_id))

    def _flaw(self, flaw: Flaw) -> FlawRow:
        text = self._kept.get(flaw.entry_id, "")
        late = flaw.kind == INSERTED and flaw.entry_id not in self._kept
        return FlawRow(
            agent_id=self._agent_id,
            entry_id=flaw.entry_id,
            kind=REORDERED if late else flaw.kind,
            writer=as_words(flaw.writer),
            seq=flaw.seq,
            decision_id=as_words(flaw.decision_id),
            what=f"record {flaw.seq} comes late" if late else as_words(flaw.what),
            text=escaped(text).replace("\0", "\\u0000"),
            told=False,
        )


def _chain(writer: str, agent_id: str) -> ChainRow:
    return ChainRow(
        writer=writer,
        agent_id=agent_id,
        seq=0,
        hash=GENESIS,
        signed_seq=0,
        pruned_seq=0,
        pruned_hash=GENESIS,
    )


def _usable(item: StreamRecord | StreamJunk) -> StreamRecord | StreamJunk:
    """A record whose writer's name no database could keep is none of ours."""
    if isinstance(item, StreamRecord):
        writer = item.record.writer
        if as_words(writer) != writer:
            return StreamJunk(item.entry_id, item.text or to_json(item.record))
    return item


def _taken(session: Session, records: Sequence[StreamRecord]) -> set[tuple[str, int]]:
    """The places in chains that have a row."""
    spans: dict[str, list[int]] = {}
    for one in records:
        spans.setdefault(one.record.writer, []).append(one.record.seq)
    found: set[tuple[str, int]] = set()
    for writer, numbers in spans.items():
        asked = (
            select(CallRow.seq)
            .where(CallRow.writer == writer)
            .where(col(CallRow.seq).between(min(numbers), max(numbers)))
        )
        found.update((writer, seq) for seq in session.exec(asked))
    return found


def _found(row: FlawRow) -> FoundFlaw:
    place = (row.agent_id, row.decision_id, row.entry_id)
    return FoundFlaw(row.id or 0, Flaw(row.kind, row.writer, row.seq, row.what, *place), row.text)


def _place(session: Session, agent_id: str, entry_id: str, decision_id: str) -> int | None:
    """The number of the row that an entry became. Found by its decision, which has an index."""
    query = select(CallRow.id).where(CallRow.decision_id == decision_id)
    query = query.where(CallRow.agent_id == agent_id, CallRow.entry_id == entry_id)
    return session.exec(query.order_by(col(CallRow.id).desc()).limit(1)).first()


def entry_order(entry_id: str) -> tuple[int, int]:
    """What the ids of a stream's entries are ordered by."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
