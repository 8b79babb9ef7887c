from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import NameHeld
from amaze_proxy.history.registry import EntryClaim, EntryKind, EntryRecord

SERVER = EntryRecord(
    kind=EntryKind.MCP,
    name="s",
    url="http://s:9000/mcp",
    status="approved",
    created_ms=1,
    updated_ms=2,
    owner="team",
    tools=("search", "a/b"),
    claim=EntryClaim("http://other/mcp", ("x",), 3),
)
HOST = EntryRecord(EntryKind.LLM, "h", "http://h/v1", "approved", 1, 1, dialect="openai")


async def _put(history: History, record: EntryRecord) -> EntryRecord:
    return await history.registry.change(record.kind, record.name, lambda _before: record)


async def test_an_entry_comes_back_as_it_was_saved(history: History) -> None:
    for record in (SERVER, HOST):
        saved = await _put(history, record)
        assert saved == replace(record, revision=1)
        assert await history.registry.get(record.name) == saved
    assert await history.registry.get("x") is None
    assert await history.registry.names() == ("h", "s")


async def test_the_revision_counts_what_the_store_is_told(history: History) -> None:
    saved = await _put(history, SERVER)
    assert (await _put(history, saved)).revision == 1
    quiet = await _put(history, replace(saved, claim=None, tools=(), updated_ms=9))
    assert (quiet.revision, quiet.claim) == (1, None)
    for number, change in enumerate(
        ({"url": "http://n/"}, {"status": "rejected"}, {"owner": "o"}, {"deleted": True}), 2
    ):
        quiet = await _put(history, replace(quiet, **change))
        assert quiet.revision == number


async def test_a_change_sees_the_entry_and_may_refuse(history: History) -> None:
    saved = await _put(history, SERVER)

    def refuse(before: EntryRecord | None) -> EntryRecord:
        assert before == saved
        raise LookupError

    with pytest.raises(LookupError):
        await history.registry.change(EntryKind.MCP, "s", refuse)
    assert await history.registry.get("s") == saved


async def test_concurrent_changes_lose_nothing(history: History) -> None:
    def more(before: EntryRecord | None) -> EntryRecord:
        found = before or SERVER
        return replace(found, url=f"{found.url}x")

    await asyncio.gather(*(history.registry.change(EntryKind.MCP, "s", more) for _ in range(20)))
    found = await history.registry.get("s")
    assert found is not None
    assert (found.revision, found.url) == (20, SERVER.url + "x" * 20)


async def test_entries_are_listed_by_kind_and_status_in_pages(history: History) -> None:
    for number in range(4):
        status = "pending" if number % 2 else "approved"
        await _put(history, replace(SERVER, name=f"s{number}", status=status))
    await _put(history, replace(SERVER, name="s9", deleted=True))
    await _put(history, HOST)
    registry, mcp = history.registry, EntryKind.MCP
    assert [one.name for one in await registry.page(mcp)] == ["s0", "s1", "s2", "s3"]
    assert [one.name for one in await registry.page(mcp, after="s0", limit=2)] == ["s1", "s2"]
    assert [one.name for one in await registry.page(mcp, "pending")] == ["s1", "s3"]
    assert [one.name for one in await registry.page(EntryKind.LLM)] == ["h"]
    assert await registry.count(mcp, "approved") == 2
    assert await registry.names() == ("h", "s0", "s1", "s2", "s3", "s9")


async def test_a_name_is_held_by_one_kind(history: History) -> None:
    agent = AgentRecord("a", "approved", 1, 1)
    await history.agents.change("a", lambda _before: agent)
    await _put(history, SERVER)
    for record, holder in (
        (replace(SERVER, name="a"), "agent"),
        (replace(HOST, name="a"), "agent"),
        (replace(HOST, name="s"), "mcp"),
    ):
        with pytest.raises(NameHeld) as refused:
            await _put(history, record)
        assert (refused.value.name, refused.value.kind) == (record.name, holder)
    with pytest.raises(NameHeld, match="mcp"):
        await history.agents.change("s", lambda _before: replace(agent, agent_id="s"))
    assert await history.agents.get("s") is None
    assert await history.registry.names() == ("s",)


async def test_a_refused_change_takes_no_name(history: History) -> None:
    def refuse(_before: object) -> EntryRecord:
        raise LookupError

    with pytest.raises(LookupError):
        await history.registry.change(EntryKind.MCP, "a", refuse)
    await history.agents.change("a", lambda _before: AgentRecord("a", "approved", 1, 1))
    with pytest.raises(LookupError):  # what the change itself refuses comes first
        await history.registry.change(EntryKind.LLM, "a", refuse)
    assert await history.registry.get("a") is None


async def test_a_purged_tombstone_frees_its_name(history: History) -> None:
    saved = await _put(history, SERVER)
    await history.registry.purge("s")
    assert await history.registry.get("s") == saved
    await _put(history, replace(saved, deleted=True, claim=None))
    agent = AgentRecord("s", "approved", 1, 1)
    with pytest.raises(NameHeld):
        await history.agents.change("s", lambda _before: agent)
    await history.registry.purge("s")
    await history.registry.purge("s")
    assert await history.registry.get("s") is None
    await history.agents.change("s", lambda _before: agent)
    await history.agents.change("s", lambda _before: replace(agent, deleted=True))
    await history.agents.purge("s")
    assert (await _put(history, SERVER)).revision == 1
