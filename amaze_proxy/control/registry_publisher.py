"""Publishes MCP servers and LLM hosts: what the history says becomes what the store says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from amaze_proxy.control.publishing import Publishing
from amaze_proxy.history.bundle import History
from amaze_proxy.history.registry import EntryKind, EntryRecord
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer
from amaze_proxy.store.store import Store


class RegistryPublisher(Publishing):
    """Publishes entries of both kinds: no two of them have the same name."""

    def __init__(self, history: History, store: Store) -> None:
        super().__init__()
        self._history = history.registry
        self._store = store.registry
        self._unsure: set[str] = set()  # what the store may have without its list knowing of it

    async def _everything(self) -> Iterable[str]:
        servers, hosts = await self._store.mcps(), await self._store.llms()
        listed = {server.name for server in servers} | {host.name for host in hosts}
        known = set(await self._history.names())
        self._unsure |= known - listed
        await self._store.touch()  # a process that died may have written an entry and not told
        # also what only the store knows: what nobody has registered must not be reachable
        return known | listed

    async def _missing(self, name: str) -> bool:
        record = await self._history.get(name)
        if record is None or record.deleted:
            return False
        found = await self._found(record.kind, name)
        if isinstance(found, McpServer) and found.seen != await self._history.seen(name):
            await self._history.keep_seen(name, found.seen)  # proxies tell the store alone
        return found is None

    async def _bring(self, name: str) -> bool:
        truth = await self._history.get(name)
        while True:
            await self._apply(name, truth)
            after = await self._history.get(name)
            if after == truth:
                return truth is not None
            truth = after

    async def _apply(self, name: str, record: EntryRecord | None) -> None:
        if record is None:
            for kind in EntryKind:
                if name in self._unsure or await self._found(kind, name) is not None:
                    await self._withdraw(kind, name)
        elif record.deleted:
            await self._withdraw(record.kind, name)
            await self._history.purge(name)
        else:
            await self._publish(_entry(record))
        self._unsure.discard(name)

    async def _publish(self, wanted: McpServer | LlmHost) -> None:
        kind, name = _kind(wanted), wanted.name
        found = await self._found(kind, name)
        if name not in self._unsure and found == wanted:
            return
        if found is None and isinstance(wanted, McpServer):
            # with the entry, not behind it: no call passes in between as if nothing had changed
            wanted = replace(wanted, seen=await self._history.seen(name))
        await self._put(wanted)
        if await self._found(kind, name) != wanted:
            # a revision that the history does not know: its database was replaced by another, or
            # the name was deleted and made again while this was under way
            await self._withdraw(kind, name)
            await self._put(wanted)

    async def _put(self, wanted: McpServer | LlmHost) -> None:
        self._unsure.add(wanted.name)  # several commands: when one fails, all are to be repeated
        if isinstance(wanted, McpServer):
            await self._store.publish_mcp(wanted)
        else:
            await self._store.publish_llm(wanted)

    async def _found(self, kind: EntryKind, name: str) -> McpServer | LlmHost | None:
        if kind is EntryKind.MCP:
            return await self._store.mcp(name)
        return await self._store.llm(name)

    async def _withdraw(self, kind: EntryKind, name: str) -> None:
        self._unsure.add(name)
        if kind is EntryKind.MCP:
            await self._store.withdraw_mcp(name)
        else:
            await self._store.withdraw_llm(name)


def _kind(entry: McpServer | LlmHost) -> EntryKind:
    return EntryKind.MCP if isinstance(entry, McpServer) else EntryKind.LLM


def _entry(record: EntryRecord) -> McpServer | LlmHost:
    status = EntryStatus(record.status)
    if record.kind is EntryKind.MCP:
        pins = dict(record.pins) if record.pinned_ms else None
        return McpServer(record.name, record.url, status, record.owner, record.revision, pins)
    return LlmHost(record.name, record.url, record.dialect, status, record.revision)
