from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.control.registry_publisher import RegistryPublisher
from amaze_proxy.history.registry import EntryKind, EntryRecord
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer, Registry

SERVER = EntryRecord(EntryKind.MCP, "s", "http://s/", "approved", 1, 1, owner="o")
HOST = EntryRecord(EntryKind.LLM, "h", "http://h/", "approved", 1, 1, dialect="openai")


@pytest.fixture
def publisher(history, store) -> RegistryPublisher:
    return RegistryPublisher(history, store)


async def _save(history, record):
    return await history.registry.change(record.kind, record.name, lambda _before: record)


async def test_the_store_becomes_what_the_history_says(publisher, history, store) -> None:
    await _save(history, SERVER)
    await _save(history, HOST)
    assert await publisher.publish("s")
    assert await publisher.publish("h")
    server = McpServer("s", "http://s/", EntryStatus.APPROVED, "o", 1)
    host = LlmHost("h", "http://h/", "openai", EntryStatus.APPROVED, 1)
    assert await store.registry.mcps() == [server]
    assert await store.registry.llms() == [host]


async def test_what_is_so_already_is_not_told_again(publisher, history, store) -> None:
    await _save(history, SERVER)
    await publisher.publish("s")
    before = await store.registry.generation()
    await publisher.publish("s")
    assert await store.registry.generation() == before
    await _save(history, replace(SERVER, status="rejected"))
    await publisher.publish("s")
    assert await store.registry.generation() > before


async def test_a_revision_that_the_history_does_not_know_gives_way(
    publisher, history, store
) -> None:
    await store.registry.publish_mcp(McpServer("s", "http://x/", EntryStatus.APPROVED, "", 9))
    saved = await _save(history, SERVER)
    assert await publisher.publish("s")
    found = await store.registry.mcp("s")
    assert (found.url, found.revision) == ("http://s/", saved.revision)


async def test_what_only_the_store_knows_is_withdrawn(publisher, store) -> None:
    await store.registry.publish_mcp(McpServer("s", "http://x/", EntryStatus.APPROVED))
    await store.registry.publish_llm(LlmHost("h", "http://x/", "openai", EntryStatus.APPROVED))
    await publisher.owe_everything()
    assert publisher.owed == 2
    await publisher.publish_owed()
    assert await store.registry.mcps() == []
    assert await store.registry.llms() == []


async def test_two_processes_leave_the_newest(publisher, history, store) -> None:
    other = RegistryPublisher(history, store)

    async def save(number: int) -> None:
        def change(before):
            return replace(before or SERVER, url=f"http://s/{number}")

        await history.registry.change(EntryKind.MCP, "s", change)
        assert await (publisher, other)[number % 2].publish("s")

    await asyncio.gather(*(save(number) for number in range(20)))
    newest, found = await history.registry.get("s"), await store.registry.mcp("s")
    assert (found.url, found.revision) == (newest.url, 20)


async def test_a_name_that_was_deleted_and_made_again_starts_anew(
    publisher, history, store
) -> None:
    for _ in range(2):
        for url in ("http://1/", "http://2/"):
            await _save(history, replace(SERVER, url=url))
            await publisher.publish("s")
        await history.registry.change(
            EntryKind.MCP, "s", lambda found: replace(found, deleted=True)
        )
        await publisher.publish("s")
        assert await store.registry.mcp("s") is None
        assert await history.registry.get("s") is None
    await _save(history, replace(HOST, name="s"))
    await publisher.publish("s")
    assert (await store.registry.llm("s")).revision == 1


@pytest.mark.parametrize("failing", ["_list", "_withdraw"])
async def test_a_change_that_was_half_told_is_told_again(
    publisher, history, store, monkeypatch, failing
) -> None:
    """The entry is written, and the store goes away before its list and the directory are."""
    await _save(history, SERVER)
    await publisher.publish("s")
    before = await store.registry.generation()
    ended = failing == "_withdraw"
    await _save(history, replace(SERVER, status="rejected", deleted=ended))
    whole = getattr(Registry, failing)

    async def broken(self, *args) -> None:
        if ended:
            await store.client.delete(args[-1])
        raise StoreUnavailable("gone")

    monkeypatch.setattr(Registry, failing, broken)
    assert not await publisher.publish("s")
    assert publisher.owed == 1
    assert await store.registry.generation() == before
    monkeypatch.setattr(Registry, failing, whole)
    await publisher.publish_owed()
    assert publisher.owed == 0
    assert await store.registry.generation() > before


async def test_an_entry_that_left_the_list_comes_back(publisher, history, store) -> None:
    await _save(history, SERVER)
    await publisher.publish("s")
    await store.client.delete("mcps")
    await publisher.publish("s")
    assert await store.registry.mcps() == []
    await publisher.owe_everything()
    await publisher.publish_owed()
    assert [one.name for one in await store.registry.mcps()] == ["s"]


async def test_the_whole_pass_tells_the_directory_once(publisher, history, store) -> None:
    await _save(history, SERVER)
    await publisher.publish("s")
    before = await store.registry.generation()
    await publisher.owe_everything()
    await publisher.publish_owed()
    assert await store.registry.generation() == before + 1


async def test_a_probe_finds_what_the_store_has_lost(publisher, history, store) -> None:
    await _save(history, SERVER)
    await _save(history, HOST)
    for name in ("s", "h"):
        await publisher.publish(name)
    assert [await publisher.lost() for _ in range(3)] == [None] * 3
    await store.client.flushall()
    assert {await publisher.lost() for _ in range(2)} == {"s", "h"}
    await history.registry.change(EntryKind.LLM, "h", lambda found: replace(found, deleted=True))
    assert {await publisher.lost() for _ in range(2)} == {"s", None}
    for name in ("s", "h"):
        await publisher.publish(name)
    assert [await publisher.lost() for _ in range(3)] == [None] * 3


async def test_a_changed_tool_stays_changed_when_the_store_was_emptied(
    publisher, history, store
) -> None:
    await _save(history, replace(SERVER, pins=(("a", "1"), ("b", "2")), pinned_ms=1))
    await publisher.publish("s")
    many = {f"tool-{number}": "9" for number in range(3990)}  # all that the store keeps
    await store.registry.saw("s", {"a": "9"})
    await store.registry.saw("s", many)
    assert await publisher.lost() is None  # looks at it, and keeps what it finds
    await store.client.flushall()
    assert await publisher.lost() == "s"
    again = RegistryPublisher(history, store)  # also in a process that has not seen it
    assert await again.publish("s")
    found = await store.registry.mcp("s")
    assert (found.changed("a"), found.changed("b"), found.changed("tool-3989")) == (
        True,
        False,
        True,
    )
    await store.registry.saw("s", {"a": "1", "b": "2"}, certain=True)
    assert not (await store.peers.mcp("s", "a")).changed("a")
    assert await again.lost() is None
    await store.client.flushall()
    await again.publish("s")
    assert not (await store.peers.mcp("s", "a")).changed("a")


async def test_what_was_seen_goes_with_the_server(publisher, history, store) -> None:
    await _save(history, SERVER)
    await publisher.publish("s")
    await history.registry.keep_seen("s", {"a": "9"})
    await history.registry.change(EntryKind.MCP, "s", lambda found: replace(found, deleted=True))
    await history.registry.keep_seen("s", {"a": "8"})
    assert await history.registry.seen("s") == {"a": "9"}
    await publisher.publish("s")
    await history.registry.keep_seen("s", {"a": "8"})
    assert await history.registry.seen("s") == {}
