"""MCP servers and LLM hosts: the durable copy, written before the store's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlmodel import Session, col, func, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.errors import NameHeld
from amaze_proxy.history.names import free_name, take_name
from amaze_proxy.history.tables import EntryRow, ProbeRow, SeenRow


class EntryKind(StrEnum):
    """What an entry is."""

    MCP = "mcp"
    LLM = "llm"


@dataclass(frozen=True, slots=True)
class EntryClaim:
    """Another place for an existing server, registered without proof: it waits for an operator."""

    url: str
    tools: tuple[str, ...]
    created_ms: int


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """An MCP server (`tools`, `owner`, `claim`, `pins`) or an LLM host (`dialect`).

    `pins` are the fingerprints (SHA-256) of the tools that were accepted, by name, the last of
    them at `pinned_ms` (0: none ever were, so that no tool counts as changed).

    `revision` counts the changes of what the store is told, from 1; `deleted` is a tombstone,
    until the store has forgotten the entry too.
    """

    kind: EntryKind
    name: str
    url: str
    status: str
    created_ms: int
    updated_ms: int
    owner: str = ""
    dialect: str = ""
    tools: tuple[str, ...] = ()
    revision: int = 0
    claim: EntryClaim | None = None
    deleted: bool = False
    pins: tuple[tuple[str, str], ...] = ()
    pinned_ms: int = 0


EntryChange = Callable[[EntryRecord | None], EntryRecord]


class RegistryHistory:
    """The table of entries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> EntryRecord | None:
        """The entry, whatever its kind, also when it is a tombstone."""

        def work(session: Session) -> EntryRecord | None:
            row = session.get(EntryRow, name)
            return None if row is None else _record(row)

        return await self._database.read(work)

    async def page(
        self, kind: EntryKind, status: str = "", after: str = "", limit: int = 0
    ) -> tuple[EntryRecord, ...]:
        """Entries by name, those after `after`, at most `limit` (0: all); no tombstones."""

        def work(session: Session) -> tuple[EntryRecord, ...]:
            query = select(EntryRow).where(EntryRow.kind == kind, EntryRow.name > after)
            query = query.where(col(EntryRow.deleted).is_(False)).order_by(EntryRow.name)
            if status:
                query = query.where(EntryRow.status == status)
            if limit:
                query = query.limit(limit)
            return tuple(_record(row) for row in session.exec(query))

        return await self._database.read(work)

    async def names(self) -> tuple[str, ...]:
        """The names of all entries, tombstones too."""
        return await self._database.read(
            lambda session: tuple(session.exec(select(EntryRow.name).order_by(EntryRow.name)))
        )

    async def count(self, kind: EntryKind, status: str) -> int:
        """How many entries of `kind` have `status`."""

        def work(session: Session) -> int:
            query = select(func.count()).select_from(EntryRow)
            query = query.where(EntryRow.kind == kind, EntryRow.status == status)
            return session.exec(query.where(col(EntryRow.deleted).is_(False))).one()

        return await self._database.read(work)

    async def change(self, kind: EntryKind, name: str, change: EntryChange) -> EntryRecord:
        """Replaces the entry by what `change` makes of it, in one transaction; with its revision.

        `change` is pure: it sees None when there is no such entry, and raises to refuse. Raises
        NameHeld when the name is that of an agent, or of an entry of the other kind.
        """

        def work(session: Session) -> EntryRecord:
            row = session.get(EntryRow, name, with_for_update=True)
            if row is not None and row.kind != kind:
                raise NameHeld(name, row.kind)
            before = None if row is None else _record(row)
            after = change(before)
            if before is None:
                take_name(session, name, kind)
            if after == before:
                return after
            if before is None or _published(after) != _published(before):
                after = replace(after, revision=(before.revision if before else 0) + 1)
            session.merge(_row(after))
            return after

        return await self._database.write(work)

    async def seen(self, name: str) -> dict[str, str]:
        """The tools of a server that were not as accepted, as they were last kept: name,
        fingerprint."""

        def work(session: Session) -> dict[str, str]:
            row = session.get(SeenRow, name)
            found: dict[str, str] = {} if row is None else json.loads(row.tools)
            return found

        return await self._database.read(work)

    async def keep_seen(self, name: str, tools: Mapping[str, str]) -> None:
        """Keeps them in place of the last ones; nothing if there is no such server (any more)."""

        def work(session: Session) -> None:
            row = session.get(EntryRow, name, with_for_update=True)
            if row is not None and not row.deleted:
                session.merge(SeenRow(name=name, tools=json.dumps(dict(tools))))

        await self._database.write(work)

    async def purge(self, name: str) -> None:
        """Removes the tombstone: the store has forgotten the entry, and its name is free."""

        def work(session: Session) -> None:
            row = session.get(EntryRow, name, with_for_update=True)
            if row is not None and row.deleted:
                session.delete(row)
                for table in (ProbeRow, SeenRow):
                    if known := session.get(table, name):
                        session.delete(known)
                free_name(session, name, row.kind)

        await self._database.write(work)


def _published(record: EntryRecord) -> tuple[object, ...]:
    pins = record.pins if record.pinned_ms else None
    return (record.url, record.status, record.owner, record.dialect, record.deleted, pins)


def _record(row: EntryRow) -> EntryRecord:
    claim = EntryClaim(row.claim_url, _tools(row.claim_tools), row.claim_ms)
    return EntryRecord(
        kind=EntryKind(row.kind),
        name=row.name,
        url=row.url,
        status=row.status,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
        owner=row.owner,
        dialect=row.dialect,
        tools=_tools(row.tools),
        revision=row.revision,
        claim=claim if row.claim_ms else None,
        deleted=row.deleted,
        pins=tuple(sorted(json.loads(row.pins).items())),
        pinned_ms=row.pinned_ms,
    )


def _row(record: EntryRecord) -> EntryRow:
    claim = record.claim or EntryClaim("", (), 0)
    return EntryRow(
        name=record.name,
        kind=str(record.kind),
        url=record.url,
        status=record.status,
        owner=record.owner,
        dialect=record.dialect,
        tools=json.dumps(record.tools),
        revision=record.revision,
        created_ms=record.created_ms,
        updated_ms=record.updated_ms,
        claim_url=claim.url,
        claim_tools=json.dumps(claim.tools),
        claim_ms=claim.created_ms,
        deleted=record.deleted,
        pins=json.dumps(dict(record.pins)),
        pinned_ms=record.pinned_ms,
    )


def _tools(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
