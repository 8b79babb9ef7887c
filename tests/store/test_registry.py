from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.store.agents import Agent, AgentStatus, Endpoint
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import (
    AgentPlace,
    EntryStatus,
    LlmHost,
    McpServer,
    llm_host,
    mcp_server,
)
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

DEMO = McpServer("demo-mcp", "http://10.0.0.1:9000/mcp", EntryStatus.APPROVED, "ops", 3)
LOCAL = LlmHost("local", "http://10.0.0.2:8000", "openai", EntryStatus.PENDING, 1)


async def test_an_mcp_server_is_read_as_it_was_published(bare):
    assert await bare.registry.mcp("demo-mcp") is None
    await bare.registry.publish_mcp(DEMO)
    assert await bare.registry.mcp("demo-mcp") == DEMO
    assert await bare.peers.mcp("demo-mcp") == DEMO
    assert await bare.registry.mcps() == [DEMO]


async def test_an_llm_host_is_read_as_it_was_published(bare):
    assert await bare.registry.llm("local") is None
    await bare.registry.publish_llm(LOCAL)
    assert await bare.registry.llm("local") == LOCAL
    assert await bare.peers.llm("local") == LOCAL
    assert await bare.registry.llms() == [LOCAL]


async def test_a_server_and_a_host_of_one_name_are_two(bare):
    await bare.registry.publish_mcp(DEMO)
    assert await bare.registry.llm("demo-mcp") is None
    assert await bare.peers.llm("demo-mcp") is None


async def test_what_is_withdrawn_is_gone(bare):
    await bare.registry.publish_mcp(DEMO)
    await bare.registry.publish_llm(LOCAL)
    await bare.registry.withdraw_mcp("demo-mcp")
    await bare.registry.withdraw_llm("local")
    assert await bare.registry.mcps() == []
    assert await bare.registry.llms() == []
    assert await bare.peers.mcp("demo-mcp") is None
    assert await bare.peers.llm("local") is None


async def test_a_revision_never_goes_backwards(bare):
    servers = [McpServer("a", f"http://h{n}", EntryStatus.APPROVED, "", n) for n in (5, 3, 9, 1, 7)]
    await asyncio.gather(*map(bare.registry.publish_mcp, servers))
    assert (await bare.registry.mcp("a")).url == "http://h9"
    rejected = McpServer("a", "http://h9", EntryStatus.REJECTED, "", 9)
    await bare.registry.publish_mcp(rejected)
    assert await bare.registry.mcps() == [rejected]


async def test_the_directory_has_everything(bare):
    where = Endpoint("a2a.local", 9001, "chat.local", 9002)
    await bare.agents.create(Agent("alice", AgentStatus.APPROVED, endpoint=where))
    await bare.agents.create(Agent("bob", AgentStatus.APPROVED, endpoint=Endpoint(chat_port=1)))
    await bare.agents.create(Agent("mute", AgentStatus.APPROVED))
    await bare.agents.create(Agent("gone", endpoint=where))
    await bare.agents.delete("gone")
    await bare.registry.publish_mcp(DEMO)
    await bare.registry.publish_llm(LOCAL)
    found = await bare.registry.directory()
    assert found.generation == await bare.registry.generation()
    assert (found.servers, found.llms) == ((DEMO,), (LOCAL,))
    assert found.agents == (
        AgentPlace("alice", where),
        AgentPlace("bob", Endpoint(chat_port=1)),
    )
    assert found.agent_ids == {"alice", "bob", "mute"}


async def test_addresses_that_a_card_names_are_told_once(bare):
    await bare.agents.create(
        Agent("alice", AgentStatus.APPROVED, endpoint=Endpoint(a2a_host="h", a2a_port=1))
    )
    before = await bare.registry.generation()
    await bare.registry.claim("alice", ["b:2", "a:1"])
    await bare.registry.claim("alice", ["a:1", "b:2"])
    await bare.registry.claim("nobody", ["a:1"])
    found = await bare.registry.directory()
    assert [one.claims for one in found.agents] == [("a:1", "b:2")]
    assert found.generation == before + 1


async def test_an_agent_that_waits_takes_no_host_from_others(bare):
    where = Endpoint(a2a_host="api.example.com", a2a_port=443)
    for name in ("api.example.com", "novice"):
        await bare.agents.create(Agent(name, endpoint=where))
    found = await bare.registry.directory()
    assert (found.agents, found.agent_ids) == ((), frozenset({"novice"}))
    await bare.agents.set_status("api.example.com", AgentStatus.APPROVED)
    fresh = await bare.registry.directory()
    assert fresh.generation > found.generation
    assert [one.endpoint for one in fresh.agents] == [where]
    assert fresh.agent_ids == {"api.example.com", "novice"}


@pytest.mark.parametrize(
    ("status", "told"), [("pending", []), ("rejected", []), ("quarantined", ["zoe", "alice"])]
)
async def test_of_two_at_one_address_the_one_that_works_comes_last(bare, status, told):
    where = Endpoint(a2a_host="10.0.0.1", a2a_port=9)
    await bare.agents.create(Agent("zoe", AgentStatus(status), endpoint=where))
    await bare.agents.create(Agent("alice", AgentStatus.APPROVED, endpoint=where))
    found = await bare.registry.directory()
    assert [one.agent_id for one in found.agents] == (told or ["alice"])
    assert found.agent_ids == {"zoe", "alice"}


async def test_an_empty_directory(bare):
    found = await bare.registry.directory()
    assert found.generation == 0
    assert (found.servers, found.llms, found.agents, found.agent_ids) == ((), (), (), frozenset())


async def test_a_large_directory_is_as_many_round_trips_as_a_small_one(bare, monkeypatch):
    filling = bare.client.pipeline()
    for n in range(1000):
        filling.sadd("agents", f"agent-{n:04}")
        filling.hset(f"agent:{{agent-{n:04}}}", mapping={"status": "approved", "a2a_port": n + 1})
    await filling.execute()
    trips = []
    pipeline, command = bare.client.pipeline, bare.client.execute_command

    def counted_pipeline(**given):
        trips.append("pipeline")
        return pipeline(**given)

    def counted_command(*args, **given):
        trips.append(args[0])
        return command(*args, **given)

    monkeypatch.setattr(bare.client, "pipeline", counted_pipeline)
    monkeypatch.setattr(bare.client, "execute_command", counted_command)
    found = await bare.registry.directory()
    assert [place.endpoint.a2a_port for place in found.agents] == list(range(1, 1001))
    assert trips == ["GET", "pipeline", "pipeline"]


async def test_changes_are_told_to_the_directory(bare):
    agents, registry = bare.agents, bare.registry
    numbers = [await registry.generation()]

    async def grew():
        numbers.append(await registry.generation())
        return numbers[-1] > numbers[-2]

    await registry.publish_mcp(DEMO)
    assert await grew()
    await registry.publish_llm(LOCAL)
    assert await grew()
    await registry.withdraw_mcp("demo-mcp")
    assert await grew()
    await registry.withdraw_llm("local")
    assert await grew()
    await agents.create(Agent("alice", AgentStatus.APPROVED))
    assert await grew()
    await agents.set_endpoint("alice", Endpoint("h", 1))
    assert await grew()
    await agents.set_endpoint("alice", Endpoint("other", 1), pending=True)
    assert not await grew()
    await agents.drop_pending("alice")
    assert not await grew()
    await agents.set_endpoint("alice", Endpoint("other", 1))
    assert await grew()
    await agents.set_endpoint("alice", Endpoint("other", 1))
    await agents.set_session("alice", "s2")
    await agents.set_owner("alice", "ops")
    await agents.create(Agent("alice"))
    assert not await grew()
    await agents.delete("alice")
    assert await grew()
    await registry.touch()
    assert await grew()


async def test_whoever_sees_the_number_sees_the_change(bare):
    """Read while it is written: a directory that lacks an entry has an older number."""
    names = [f"s{n:02}" for n in range(40)]
    found = []

    async def read():
        while not found or len(found[-1].servers) < len(names):
            found.append(await bare.registry.directory())

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        for name in names:
            await bare.registry.publish_mcp(McpServer(name, "http://h", EntryStatus.APPROVED))
    assert all(len(one.servers) >= one.generation for one in found)


async def test_a_lost_library_is_loaded_again(bare):
    await bare.client.execute_command("FUNCTION FLUSH")
    await bare.registry.publish_mcp(DEMO)
    await bare.client.execute_command("FUNCTION FLUSH")
    assert await bare.peers.mcp("demo-mcp") == DEMO


RAW = st.dictionaries(
    st.sampled_from([b"url", b"status", b"owner", b"dialect", b"revision"]) | st.binary(max_size=4),
    st.sampled_from([b"approved", b"1", b"http://h"]) | st.binary(max_size=9),
    min_size=1,
)


@given(raw=RAW)
def test_what_is_stored_is_an_entry_or_an_error(raw):
    for read, kind in ((mcp_server, McpServer), (llm_host, LlmHost)):
        try:
            entry = read("a", raw)
        except StoreUnavailable:
            continue
        assert isinstance(entry, kind)
        assert raw[b"status"].decode() == entry.status
        assert raw[b"url"].decode() == entry.url


async def test_an_entry_that_makes_no_sense_is_an_error(bare):
    await bare.client.hset("mcp:demo-mcp", mapping={"url": "http://h", "status": "fine"})
    for asked in (bare.registry.mcp("demo-mcp"), bare.peers.mcp("demo-mcp")):
        with pytest.raises(StoreUnavailable, match="no sense"):
            await asked
    await bare.client.sadd("agents", "alice")
    await bare.client.hset("agent:{alice}", mapping={"status": "fine"})
    with pytest.raises(StoreUnavailable, match="no sense"):
        await bare.registry.directory()


async def test_a_store_that_is_down(own_server):
    store = await open_store(own_server.url, timeout=PATIENCE)
    own_server.stop()
    for asked in (
        store.registry.publish_mcp(DEMO),
        store.registry.withdraw_llm("local"),
        store.registry.touch(),
        store.registry.generation(),
        store.registry.directory(),
        store.registry.mcp("demo-mcp"),
        store.registry.llms(),
        store.peers.mcp("demo-mcp"),
        store.peers.look("alice"),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
    await store.close()


PINNED = McpServer(
    "demo-mcp", "http://10.0.0.1:9000/mcp", EntryStatus.APPROVED, "ops", 4, {"a": "1", "b:c": "2"}
)


async def test_pins_are_published_whole_and_read_for_one_tool(bare):
    await bare.registry.publish_mcp(PINNED)
    assert await bare.registry.mcp("demo-mcp") == PINNED
    assert (await bare.registry.directory()).servers == (PINNED,)
    found = await bare.peers.mcp("demo-mcp", "b:c")
    assert (found.pins, found.seen) == ({"b:c": "2"}, {})
    assert (await bare.peers.mcp("demo-mcp", "none")).pins == {}
    assert (await bare.peers.mcp("demo-mcp")).changed("a")  # it was not asked for
    await bare.registry.publish_mcp(replace(PINNED, revision=5, pins={"b:c": "3"}))
    assert (await bare.registry.mcp("demo-mcp")).pins == {"b:c": "3"}
    await bare.registry.publish_mcp(replace(PINNED, revision=6, pins={}))
    assert (await bare.registry.mcp("demo-mcp")).pins == {}
    await bare.registry.publish_mcp(replace(PINNED, revision=7, pins=None))
    assert (await bare.registry.mcp("demo-mcp")).pins is None


async def test_what_was_seen_otherwise_has_changed_until_it_is_accepted(bare):
    await bare.registry.publish_mcp(PINNED)

    async def changed() -> list[str]:
        return [
            tool for tool in ("a", "b:c") if (await bare.peers.mcp("demo-mcp", tool)).changed(tool)
        ]

    number = await bare.registry.generation()
    await bare.registry.saw("demo-mcp", {"a": "1", "b:c": "2"})
    assert await bare.registry.generation() == number
    assert await changed() == []
    await bare.registry.saw("demo-mcp", {"a": "9", "new": "8"})
    assert await bare.registry.generation() == number + 1
    assert await changed() == ["a"]
    await bare.registry.saw("demo-mcp", {"a": "9"})
    await bare.registry.saw("demo-mcp", {"a": "1"})  # an agent was shown it: it may change again
    assert await bare.registry.generation() == number + 1
    assert await changed() == ["a"]
    assert (await bare.registry.mcp("demo-mcp")).seen == {"a": "9", "new": "8"}
    await bare.registry.saw("demo-mcp", {"a": "1"}, certain=True)
    assert await changed() == []
    await bare.registry.saw("demo-mcp", {"a": "9"})
    accepted = replace(PINNED, revision=5, pins={"a": "9", "b:c": "2"})
    await bare.registry.publish_mcp(accepted)
    assert await changed() == []
    assert (await bare.registry.mcp("demo-mcp")).seen == {"new": "8"}


async def test_what_is_seen_is_bounded_but_for_what_is_pinned(bare):
    await bare.registry.saw("demo-mcp", {"a": "9"})
    assert await bare.registry.mcp("demo-mcp") is None
    await bare.registry.publish_mcp(PINNED)
    for part in range(5):
        await bare.registry.saw("demo-mcp", {f"t{part}-{number}": "x" for number in range(1000)})
    await bare.registry.saw("demo-mcp", {"a": "9"})
    found = await bare.registry.mcp("demo-mcp")
    assert 3900 < len(found.seen) < 4001
    assert found.changed("a")


async def test_a_server_without_pins_has_no_changed_tools(bare):
    await bare.registry.publish_mcp(DEMO)
    await bare.registry.saw("demo-mcp", {"a": "9"})
    found = await bare.peers.mcp("demo-mcp", "a")
    assert (found.pins, found.seen, found.changed("a")) == (None, {"a": "9"}, False)
    assert found.is_news("a", "8")
    assert not found.is_news("a", "9")
