"""The streams of evidence: reading, following, and checking the chains in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio.cluster import RedisCluster

from amaze_proxy.policy.record import GENESIS, AuditRecord, from_json, intact
from amaze_proxy.store import keys
from amaze_proxy.store.client import Client, translate
from amaze_proxy.store.errors import StoreError

BEGINNING = "0-0"
_BLOCK_MS = 500
_POLL = 0.2
_PAGE = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its agent's stream; `entry_id` is the stream's own (`ms-n`)."""

    agent_id: str
    entry_id: str
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where a chain is broken: the record's content, or its place, is not what was written."""

    entry_id: str
    writer: str
    seq: int
    what: str


class Audit:
    """All methods raise StoreUnavailable; StoreError for an entry that is no record."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def recent(self, agent_id: str, limit: int = 100) -> list[AuditRecord]:
        """Newest first."""
        with translate():
            found = await self._client.xrevrange(keys.audit(agent_id), count=limit)
        return [_entry(agent_id, one).record for one in found or []]

    async def read(self, agent_id: str, after: str = BEGINNING, count: int = _PAGE) -> list[Entry]:
        """Oldest first, what came after an entry."""
        with translate():
            found = await self._client.xrange(keys.audit(agent_id), min=f"({after}", count=count)
        return [_entry(agent_id, one) for one in found or []]

    async def trim(self, agent_id: str, through: str) -> int:
        """Remove what is archived, up to and including an entry; how many went."""
        milliseconds, _, number = through.partition("-")
        with translate():
            removed = await self._client.xtrim(
                keys.audit(agent_id), minid=f"{milliseconds}-{int(number) + 1}", approximate=False
            )
        return int(removed)

    async def heads(self, agent_id: str) -> dict[str, tuple[int, str]]:
        """The last link of each writer: sequence number and hash."""
        with translate():
            found = await self._client.hgetall(keys.chain(agent_id))  # type: ignore[misc]
        links = {writer.decode(): value.decode().split(":", 1) for writer, value in found.items()}
        return {writer: (int(seq), digest) for writer, (seq, digest) in links.items()}

    async def verify(self, agent_id: str) -> list[Flaw]:
        """Check the whole stream: every change, removal, insertion and reordering in it, and a
        missing end. Where the stream was trimmed, a chain begins with its first record."""
        checker = ChainChecker()
        heads = await self.heads(agent_id)
        after = BEGINNING
        while page := await self.read(agent_id, after):
            checker.feed(page)
            after = page[-1].entry_id
        return checker.finish(heads)

    async def tail(self, after: Mapping[str, str] | None = None) -> AsyncIterator[Entry]:
        """Entries of all agents as they come, for ever. `after` says where to begin, by agent;
        an agent that is not in it begins at its end now (one who comes later: at its first)."""
        places = dict(after or {})
        for agent_id in await self.agents():
            if agent_id not in places:
                places[agent_id] = await self._end(agent_id)
        while True:
            for agent_id in await self.agents():
                places.setdefault(agent_id, BEGINNING)
            for entry in await self.next(places):
                places[entry.agent_id] = entry.entry_id
                yield entry

    async def agents(self) -> list[str]:
        """Whoever has a stream: every agent that ever was, and callers whom nobody knows."""
        with translate():
            found = await self._client.smembers(keys.AGENTS)  # type: ignore[misc]
        return [keys.UNKNOWN_AGENT, *sorted(one.decode() for one in found)]

    async def _end(self, agent_id: str) -> str:
        with translate():
            found: Any = await self._client.xrevrange(keys.audit(agent_id), count=1)
        return found[0][0].decode() if found else BEGINNING

    async def next(self, places: Mapping[str, str]) -> list[Entry]:
        """What came after these entries, by agent, oldest first; waits half a second for some."""
        if isinstance(self._client, RedisCluster):  # XREAD takes the keys of one slot only
            pages = [await self.read(agent_id, after) for agent_id, after in places.items()]
            if not any(pages):
                await asyncio.sleep(_POLL)
            return [entry for page in pages for entry in page]
        streams: dict[Any, Any] = {
            keys.audit(agent_id): after for agent_id, after in places.items()
        }
        with translate():
            found: Any = await self._client.xread(streams, count=_PAGE, block=_BLOCK_MS)
        by_key = {keys.audit(agent_id).encode(): agent_id for agent_id in places}
        entries = [_entry(by_key[key], one) for key, page in found or [] for one in page]
        return sorted(entries, key=lambda entry: _order(entry.entry_id))


class ChainChecker:
    """Checks records in stream order, however they are paged."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, str]] = {}
        self._flaws: list[Flaw] = []

    def feed(self, entries: Iterable[Entry]) -> None:
        """The next entries of the stream."""
        for entry in entries:
            record = entry.record
            seq, digest = self._last.get(record.writer, (0, GENESIS))
            if record.writer not in self._last and record.seq != 1:
                seq, digest = record.seq - 1, record.prev_hash  # its beginning was trimmed
            if record.seq != seq + 1:
                self._note(entry, f"record {seq + 1} should come here")
            elif not intact(record, digest):
                self._note(entry, "the record or the one before it was changed")
            self._last[record.writer] = (record.seq, record.hash)

    def finish(self, heads: Mapping[str, tuple[int, str]]) -> list[Flaw]:
        """All flaws, also an end that is not where the writer's last link says."""
        for writer, (seq, digest) in heads.items():
            last = self._last.get(writer)
            if last is not None and last[0] < seq:
                self._flaws.append(Flaw("", writer, seq, f"records after {last[0]} are missing"))
            elif last is not None and last == (seq, last[1]) and last[1] != digest:
                self._flaws.append(Flaw("", writer, seq, "the last record was changed"))
        return self._flaws

    def _note(self, entry: Entry, what: str) -> None:
        record = entry.record
        self._flaws.append(Flaw(entry.entry_id, record.writer, record.seq, what))


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def _entry(agent_id: str, raw: Any) -> Entry:
    entry_id, fields = raw
    try:
        return Entry(agent_id, entry_id.decode(), from_json(fields[b"r"]))
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"entry {entry_id!r} of {agent_id} is not an audit record") from error
