"""The evidence of all agents together: the newest records, and new ones as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.keys import ADMIN_LOG, UNKNOWN_AGENT
from amaze_proxy.store.store import Store

_FIRST = 8  # records of an agent that are read before it is known how active it is


class Evidence:
    """Reads the streams of the store. All methods raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def newest(self, limit: int) -> tuple[AuditRecord, ...]:
        """The newest records of everybody, newest first; calls of strangers among them.

        Reads few records of each agent, and more only of those who could have more among the
        newest: an installation has many agents, and a record has whole bodies.
        """
        asked = dict.fromkeys(await self._ids(), min(_FIRST, limit))
        streams: dict[str, list[AuditRecord]] = {}
        while True:
            for agent_id, count in asked.items():
                streams[agent_id] = await self._read(agent_id, count)
            every = (record for stream in streams.values() for record in stream)
            found = sorted(every, key=_age)[:limit]
            oldest = found[-1].ts if len(found) == limit else 0
            asked = {
                agent_id: min(count * 2, limit)
                for agent_id, count in asked.items()
                if len(streams[agent_id]) == count < limit and streams[agent_id][-1].ts >= oldest
            }
            if not asked:
                return tuple(found)

    async def follow(self, since_ms: int) -> AsyncIterator[AuditRecord]:
        """Records as they come, for ever, beginning with those that the store took in since
        `since_ms` (milliseconds since the epoch)."""
        places = {agent_id: f"{max(0, since_ms)}-0" for agent_id in await self._ids()}
        async for entry in self._store.audit.tail(places):
            if entry.agent_id != ADMIN_LOG:  # an act of a person is no call
                yield entry.record

    async def _ids(self) -> list[str]:
        return [UNKNOWN_AGENT, *await self._store.agents.ids()]

    async def _read(self, agent_id: str, limit: int) -> list[AuditRecord]:
        return await self._store.audit.recent(agent_id, limit)


def _age(record: AuditRecord) -> int:
    return -record.ts
