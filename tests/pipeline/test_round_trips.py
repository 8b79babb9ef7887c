"""What a governed call costs at the store, counted on the socket: one packet before it is
forwarded and one after, whatever kind of call it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.directory import Directory
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.store.agents import Agent, AgentStatus, Endpoint
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.registry import EntryStatus, McpServer
from amaze_proxy.store.store import Store, open_store
from tests.patience import PATIENCE
from tests.pipeline.fakes import AGENT, BEARER, JSON, OPENAI, SHA256, SSE, Reply, World
from tests.pipeline.test_a2a_line import in_turn, send
from tests.pipeline.test_mcp_line import MCP, event, result, rpc, tool
from tests.store.conftest import relax

HOUR = 3_600_000
POLICY = """
name: all
allowed_llm_providers: [openai]
allowed_tools: [add]
allowed_agents: [writer]
max_tokens_per_turn: 1000000
max_cost_usd_per_turn: 10
max_tool_calls_per_turn: 1000
max_agent_calls_per_turn: 1000
token_rate_limits: [{window: 10m, max_tokens: 1000000}, {window: 1h, max_tokens: 1000000}]
"""
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
COMPLETION = (
    b'{"id":"c","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)
TOOL_RESULT = result({"content": []})
TASK = result({"task": {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}}})
A2A = (BEARER, JSON, (b"a2a-version", b"1.0"))
CASES: dict[str, tuple[str, dict[str, Any], Any, Reply]] = {
    "llm": (OPENAI, CHAT, (BEARER, JSON), Reply([COMPLETION])),
    "mcp": ("http://demo/mcp", tool("add", a=1), MCP, Reply([TOOL_RESULT])),
    "mcp-sse": (
        *("http://demo/mcp", tool("add", a=1), MCP),
        Reply([event(TOOL_RESULT)], headers=[SSE]),
    ),
    "mcp-list": ("http://demo/mcp", rpc("tools/list"), MCP, Reply([result({"tools": []})])),
    "a2a": ("http://writer/", send(), A2A, Reply([TASK])),
    "a2a-turn": ("http://writer/", send(), (*A2A, in_turn()), Reply([TASK])),
}


class Tap:
    """A relay in front of the store; every packet that a client sends is an event."""

    def __init__(self, world: World, server: Path) -> None:
        self._world = world
        self._server = server
        self.relaying: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.relaying.add(task)
        answers, asks = await asyncio.open_unix_connection(str(self._server))
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(reader, asks, "store"))
            both.create_task(self._pump(answers, writer))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = ""
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                if name:
                    self._world.events.append(name)
                writer.write(data)
        writer.close()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    relax(server)
    yield server
    server.stop()


@pytest.fixture
async def world(valkey: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[World]:
    """The line on a real store, behind a tap; everything else scripted."""
    world = World(None)
    at = tmp_path / "tap.sock"
    tap = Tap(world, valkey.socket_path)
    listening = await asyncio.start_unix_server(tap.serve, str(at))
    store = await open_store(f"unix://{at}", timeout=PATIENCE)
    await store.client.flushall()
    await fill(store)
    directory = Directory(store.registry)
    await directory.refresh()
    world.line = replace(
        world.line,
        gate=store.gate,
        peers=store.peers,
        policies=PolicyCache(store.policies),
        directory=directory,
    )
    world.app = create_app(world.line, world._health)
    yield world
    await store.close()
    await asyncio.gather(*tap.relaying)
    listening.close()


async def fill(store: Store) -> None:
    """AGENT with a policy, an MCP server, and an agent to call."""
    await store.agents.create(Agent(AGENT, AgentStatus.APPROVED, session_id="s1"), SHA256)
    await store.policies.publish(AGENT, 1, "00", POLICY)
    await store.registry.publish_mcp(
        McpServer("demo", "http://127.0.0.1:9000/mcp", EntryStatus.APPROVED, revision=1)
    )
    writer = Agent("writer", AgentStatus.APPROVED, endpoint=Endpoint("127.0.0.1", 9100))
    await store.agents.create(writer, "ab" * 32)


async def call(world: World, case: str) -> list[str]:
    """When the store was asked, and when the target, for one call that passes."""
    url, body, headers, world.upstreams.reply = CASES[case]
    world.events.clear()
    answer = await world.call(url, body, headers=headers)
    assert answer.verdict == (200, "")
    assert answer.headers[b"x-amaze-decision"] == b"allow"
    return [one for one in world.events if one in ("store", "dial")]


@pytest.mark.parametrize("case", CASES)
async def test_one_packet_before_a_call_is_forwarded_and_one_after(world: World, case: str) -> None:
    await call(world, case)  # the policy is read once, and the caller seen
    assert await call(world, case) == ["store", "dial", "store"]


async def test_a_message_after_a_model_call_is_in_its_turn_at_once(world: World) -> None:
    await call(world, "a2a")
    await call(world, "llm")  # a new message of the user: a new turn, another conversation
    assert await call(world, "a2a") == ["store", "dial", "store"]
