"""MCP on the line: a server `demo`, what clients send it, what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.pipeline.fakes import BEARER, JSON, Reply, World

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
