"""MCP on the line: a server `demo`, what clients send it, what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.directory import ServerPlace
from amaze_proxy.pipeline.mcp_calls import classify_post
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store.registry import EntryStatus, McpServer
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import BEARER, JSON, TURN_KEY, Reply, World

URL = "http://demo/mcp"
REAL = "http://127.0.0.1:9000/mcp"
MCP = (BEARER, JSON, (b"accept", b"application/json, text/event-stream"))
POLICY: Mapping[str, object] = {
    "name": "tools",
    "allowed_tools": ["add", "demo/echo"],
    "tool_rules": {"add": {"a": {"one_of": [1, 2]}}},
}


async def make(policy: Mapping[str, object] = POLICY, url: str = REAL) -> World:
    """A world with the server at `url`."""
    world = World(policy)
    world.registered.server("demo", url)
    await world.line.directory.refresh()
    world.upstreams.reply = Reply([result({"content": []})])
    return world


def result(value: Any, rpc_id: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": rpc_id, "result": value}).encode()


def rpc(method: str, params: dict[str, Any] | None = None, rpc_id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params or {}}


def tool(name: str, rpc_id: Any = 1, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", {"name": name, "arguments": arguments}, rpc_id)


def event(value: bytes) -> bytes:
    return b"event: message\ndata: " + value + b"\n\n"


# -- without a world: a server at an https address, and what is posted to it

SERVER = McpServer("demo", "https://mcp.example:9000/mcp", EntryStatus.APPROVED)
PLACE = ServerPlace(SERVER, "/mcp")
SEAL = Seal(TURN_KEY)
OURS = TraceContext("a" * 32, "b" * 16)


def head(query: str = "", method: str = "POST", **headers: bytes) -> Head:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    named.setdefault(b"content-type", b"application/json")
    return Head(Authority("http", "demo", 80), method, "/mcp", named, query)


def posted(body: Any, at: Head | None = None) -> Call | Batch:
    at = at or head()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify_post(PLACE, at, [*at.headers.items()], data)


def one(body: Any, at: Head | None = None) -> Call:
    found = posted(body, at)
    assert isinstance(found, Call)
    return found
