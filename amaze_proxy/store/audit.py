"""The streams of evidence: reading, following, and checking the chains in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio.cluster import RedisCluster

from amaze_proxy.policy.chain import INSERTED, Chains, Flaw, Head, read_link
from amaze_proxy.policy.record import AuditRecord, from_json
from amaze_proxy.store import keys
from amaze_proxy.store.client import Client, translate

BEGINNING = "0-0"
_BLOCK_MS = 500
_POLL = 0.2
_PAGE = 256
_SEQ_MAX = 2**63 - 1  # what a database can count


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its agent's stream; `entry_id` is the stream's own (`ms-n`), `text` the record
    as it is stored."""

    agent_id: str
    entry_id: str
    record: AuditRecord
    text: str


@dataclass(frozen=True, slots=True)
class NoRecord:
    """An entry that is none of ours: somebody else has written to the stream."""

    agent_id: str
    entry_id: str
    text: str


Item = Entry | NoRecord


class Audit:
    """All methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def recent(self, agent_id: str, limit: int = 100) -> list[AuditRecord]:
        """Newest first."""
        return [entry.record for entry in await self.newest(agent_id, limit)]

    async def newest(self, agent_id: str, limit: int, before: str = "") -> list[Entry]:
        """Newest first, those before an entry if it is named; entries that are no records are left
        out, and `read` tells them."""
        last = f"({before}" if before else "+"
        with translate():
            found = await self._client.xrevrange(keys.audit(agent_id), max=last, count=limit)
        return _records([_item(agent_id, one) for one in found or []])

    async def read(self, agent_id: str, after: str = BEGINNING, count: int = _PAGE) -> list[Item]:
        """Oldest first, what came after an entry."""
        with translate():
            found = await self._client.xrange(keys.audit(agent_id), min=f"({after}", count=count)
        return [_item(agent_id, one) for one in found or []]

    async def trim(self, agent_id: str, through: str) -> int:
        """Remove what is archived, up to and including an entry; how many went."""
        milliseconds, _, number = through.partition("-")
        with translate():
            removed = await self._client.xtrim(
                keys.audit(agent_id), minid=f"{milliseconds}-{int(number) + 1}", approximate=False
            )
        return int(removed)

    async def heads(self, agent_id: str) -> dict[str, Head]:
        """The last link of each writer: sequence number and hash."""
        with translate():
            found = await self._client.hgetall(keys.chain(agent_id))  # type: ignore[misc]
        links = {writer.decode(): value.decode().split(":", 1) for writer, value in found.items()}
        return {writer: (int(seq), digest) for writer, (seq, digest) in links.items()}

    async def verify(self, agent_id: str) -> list[Flaw]:
        """Check the whole stream: every change, removal, insertion and reordering in it, and a
        missing end. Where the stream was trimmed, a chain begins with its first record."""
        chains = Chains(whole=False)
        heads = await self.heads(agent_id)
        after = BEGINNING
        while page := await self.read(agent_id, after):
            for item in page:
                follow(chains, item)
            after = page[-1].entry_id
        seen = {writer: head for writer, head in heads.items() if writer in chains.heads}
        chains.end(seen, agent_id)
        return chains.flaws

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
            for item in await self.next(places):
                places[item.agent_id] = item.entry_id
                if isinstance(item, Entry):
                    yield item

    async def agents(self) -> list[str]:
        """Whoever has a stream: callers whom nobody knows, people, every agent that ever was."""
        with translate():
            found = await self._client.smembers(keys.AGENTS)  # type: ignore[misc]
        return [keys.UNKNOWN_AGENT, keys.ADMIN_LOG, *sorted(one.decode() for one in found)]

    async def _end(self, agent_id: str) -> str:
        with translate():
            found: Any = await self._client.xrevrange(keys.audit(agent_id), count=1)
        return found[0][0].decode() if found else BEGINNING

    async def next(self, places: Mapping[str, str]) -> list[Item]:
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
        items = [_item(by_key[key], one) for key, page in found or [] for one in page]
        return sorted(items, key=lambda item: _order(item.entry_id))


def follow(chains: Chains, item: Item) -> None:
    """The next entry of a stream as a link of its writer's chain."""
    if isinstance(item, NoRecord):
        what = "the entry is no record"
        chains.note(Flaw(INSERTED, "", 0, what, item.agent_id, entry_id=item.entry_id))
    else:
        chains.follow(read_link(item.text), item.entry_id)


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def _item(agent_id: str, raw: Any) -> Item:
    entry_id, fields = raw
    data = fields.get(b"r", b"")
    try:
        text = data.decode("utf-8", "surrogatepass")
        record = from_json(text)
        if not 0 < record.seq <= _SEQ_MAX:
            raise ValueError("no number of a record")
        return Entry(agent_id, entry_id.decode(), record, text)
    except ValueError:
        told = data if data else repr(fields).encode()
        return NoRecord(agent_id, entry_id.decode(), told.decode("utf-8", "backslashreplace"))


def _records(items: Iterable[Item]) -> list[Entry]:
    return [item for item in items if isinstance(item, Entry)]
