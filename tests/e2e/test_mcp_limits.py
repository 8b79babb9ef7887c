"""Budgets, rules and the graph on MCP calls, at a real server and a scripted one."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients.run import Running, start_server
from tests.e2e.mcp import (
    HEADERS,
    Scripted,
    ScriptedServer,
    Session,
    register,
    rpc,
    session_of,
    tool,
)
from tests.e2e.platform import Agent, Platform, until
from tests.e2e.test_credentials import basic

TOOLS = {"name": "tools", "allowed_tools": ["add", "echo", "slow"]}
ECHO = {"text": "x"}
ADD = {"a": 1, "b": 2}


@pytest.fixture(scope="module")
def _server() -> Iterator[Running]:
    running = start_server("mcp1")
    yield running
    running.stop()


@pytest.fixture
def server(_server: Running) -> Running:
    _server.forget()
    return _server


@pytest.fixture(scope="module")
def name(_server: Running, _platform: Platform) -> str:
    return register(_platform, "mcp1", _server.url)


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    running = ScriptedServer()
    yield running
    running.close()


def strict(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    graph = {"start_step": 1, "steps": list(steps)}
    return {"name": "order", "mode": "strict", "graph": graph, **fields}


def step(number: int, name: str, *following: int, loops: int = 1) -> dict[str, Any]:
    return {
        "step_id": number,
        "call_type": "tool",
        "callee_id": name,
        "max_loops": loops,
        "next_steps": list(following),
    }


# -- at once ------------------------------------------------------------------------------------


async def all_at_once(platform: Platform, agent: Agent, url: str, count: int) -> list[str]:
    """The reasons of so many calls of `echo`, each on a connection of its own; "": it passed."""
    with session_of(platform, agent, url) as session:
        headers = session.headers

    async def one() -> str:
        async with platform.async_client(agent) as client:
            answer = await client.post(url, json=tool("echo", **ECHO), headers=headers)
            assert answer.status_code == 200
            return str(answer.headers.get("x-amaze-reason", ""))

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


async def test_twenty_calls_at_once_at_a_limit_of_one(
    platform: Platform, server: Running, name: str
) -> None:
    agent = platform.agent({**TOOLS, "max_tool_calls_per_turn": 1})
    reasons = await all_at_once(platform, agent, f"http://{name}/mcp", 20)
    assert reasons == ["", *["budget_exceeded"] * 19]
    assert server.executed == ["echo"]
    records = platform.audited(agent, 22)[2:]
    assert sum(record["denied"] for record in records) == 19
    assert len({record["writer"] for record in records}) == 2, "both workers took part"


async def test_two_first_calls_at_once_in_a_strict_graph(
    platform: Platform, server: Running, name: str
) -> None:
    agent = platform.agent(strict(step(1, "echo", 2), step(2, "add")))
    reasons = await all_at_once(platform, agent, f"http://{name}/mcp", 2)
    assert reasons == ["", "edge_loop_exceeded"]
    assert server.executed == ["echo"]


def test_a_caller_that_leaves_before_the_answer_is_counted_and_recorded(
    platform: Platform, server: Running, name: str
) -> None:
    agent = platform.agent({**TOOLS, "max_tool_calls_per_turn": 1})
    url = f"http://{name}/mcp"
    with session_of(platform, agent, url) as session:
        body = json.dumps(tool("slow", seconds=20)).encode()
        head = [
            f"POST {url} HTTP/1.1",
            f"Host: {name}",
            f"Proxy-Authorization: {basic(agent.agent_id, agent.credential).decode()}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in session.headers.items()),
        ]
        with socket.create_connection(("127.0.0.1", platform.proxy_port), 60) as sock:
            sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
            until(lambda: server.executed == ["slow"], "the tool to run")
        record = platform.audited(agent, 3)[2]
        assert (record["tool"], record["denied"]) == ("slow", False)
        assert record["error"] == "client went away"
        assert session.call("echo", **ECHO)[1] == "budget_exceeded"
    assert server.executed == ["slow"]


# -- what the policy says -----------------------------------------------------------------------


def test_rules_on_arguments(platform: Platform, server: Running, name: str) -> None:
    rules = {"echo": {"text": {"matches": "[a-z]+", "max_length": 5}}, f"{name}/add": {}}
    rules[f"{name}/add"] = {"a": {"one_of": [1, 2]}, "c": {"absent": True}}
    agent = platform.agent({**TOOLS, "tool_rules": rules})
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        assert session.call("echo", text="abc") == ("abc", "")
        assert session.call("add", a=1, b=5) == ("6", "")
        broken = [
            session.call("echo", text="abcdef"),
            session.call("echo", text="abc\n"),
            session.call("echo", text=["abc"]),
            session.call("echo"),
            session.call("add", a="1", b=5),
            session.call("add", a=True, b=5),
            session.call("add", a=1, b=5, c=None),
        ]
    assert {reason for _, reason in broken} == {"argument-not-allowed"}
    assert "'text' of tool 'echo'" in broken[0][0]
    assert server.executed == ["echo", "add"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({"on_violation": "allow"}, "alert"), ({"enforcement": "shadow"}, "would_deny")],
)
def test_what_passes_all_the_same_is_marked(
    platform: Platform, server: Running, name: str, fields: dict[str, str], shown: str
) -> None:
    agent = platform.agent({"name": "lenient", "allowed_tools": ["echo"], **fields})
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        assert session.call("echo", **ECHO) == ("x", "")
        assert session.call("secret") == ("the secret", "")
    within, beyond = platform.audited(agent, 4)[2:]
    assert (within[shown], beyond[shown]) == ("", "tool-not-allowed")
    assert beyond["denied"] is False
    assert server.executed == ["echo", "secret"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({"on_violation": "allow"}, "alert"), ({"enforcement": "shadow"}, "would_deny")],
)
def test_a_step_out_of_order_that_passes_all_the_same_is_marked(
    platform: Platform, server: Running, name: str, fields: dict[str, str], shown: str
) -> None:
    agent = platform.agent(strict(step(1, "echo", 2), step(2, "add"), **fields))
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        assert session.call("add", **ADD) == ("3", "")
        assert session.call("echo", **ECHO) == ("x", "")
        assert session.call("echo", **ECHO) == ("x", "")
    marks = [record[shown] for record in platform.audited(agent, 5)[2:]]
    assert marks == ["graph_violation", "", "edge_loop_exceeded"]


def test_the_order_of_a_strict_graph(platform: Platform, server: Running, name: str) -> None:
    agent = platform.agent(
        strict(
            step(1, "echo", 2, 3, loops=2),
            step(2, f"{name}/add", 3),
            step(3, "slow"),
        )
    )
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        listed = {one["name"] for one in session.ask("tools/list")["result"]["tools"]}
        assert listed == {"echo", "add", "slow"}
        said, reason = session.call("add", **ADD)
        assert reason == "graph_violation"
        assert "expected: tool echo (step 1)" in said
        assert session.call("secret")[1] == "graph_violation"
        assert session.call("echo", **ECHO)[1] == ""
        assert session.call("echo", **ECHO)[1] == ""
        assert session.call("echo", **ECHO)[1] == "edge_loop_exceeded"
        assert session.call("add", **ADD)[1] == ""
        said, reason = session.call("echo", **ECHO)
        assert reason == "graph_violation"
        assert "expected: tool slow (step 3)" in said
        assert session.call("slow", seconds=0)[1] == ""
        said, reason = session.call("add", **ADD)
        assert reason == "graph_violation"
        assert "expected: nothing: the graph ends here" in said
    assert server.executed == ["echo", "echo", "add", "slow"]


@pytest.mark.parametrize(
    "failure",
    [
        Scripted(500, body=b'{"detail":"broken"}'),
        Scripted(302, [("Location", "/elsewhere")], b""),
        Scripted(body=b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"broken"}}'),
        Scripted(200, [("Content-Type", "text/html")], b"<html>"),
        Scripted(200, [("Content-Type", "application/json"), ("Content-Encoding", "br")], b"x"),
    ],
    ids=["error", "redirect", "rpc-error", "no-json", "unreadable"],
)
def test_a_failure_of_the_server_does_not_burn_the_step(
    platform: Platform, scripted: ScriptedServer, failure: Scripted
) -> None:
    name = register(platform, "scripted", scripted.url)
    agent = platform.agent(strict(step(1, "first", 2), step(2, "second")))
    scripted.next.append(failure)
    with platform.client(agent) as client:
        session = Session(client, f"http://{name}/mcp", HEADERS)
        session.post(tool("first"))
        assert session.call("second")[1] == "graph_violation"
        assert session.call("first")[1] == ""
        assert session.call("first")[1] == "edge_loop_exceeded"
        assert session.call("second")[1] == ""
    assert [one["params"]["name"] for one in scripted.seen] == ["first", "first", "second"]
    assert [record["denied"] for record in platform.audited(agent, 5)] == [
        False,
        True,
        False,
        True,
        False,
    ]


LISTED = {"tools": [{"name": "echo", "inputSchema": {}}, {"name": "hidden", "inputSchema": {}}]}
JSON_ANSWER = json.dumps({"jsonrpc": "2.0", "id": 1, "result": LISTED}).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("Content-Type", "application/json"), ("Content-Encoding", "gzip")], JSON_ANSWER),
        ([("Content-Type", "application/json"), ("Content-Encoding", "x-none")], JSON_ANSWER),
        ([("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")], JSON_ANSWER),
        ([("Content-Type", "text/plain")], JSON_ANSWER),
        ([("Content-Type", "text/event-stream")], JSON_ANSWER),
        ([], JSON_ANSWER),
        ([("Content-Type", "application/json")], JSON_ANSWER.decode().encode("utf-16")),
        ([("Content-Type", "application/json")], JSON_ANSWER + b"\n" + JSON_ANSWER),
        ([("Content-Type", "application/json")], JSON_ANSWER.replace(b'"id": 1', b'"id": 2')),
        ([("Content-Type", "application/json")], b"[" + JSON_ANSWER + b"]"),
        ([("Content-Type", "text/event-stream")], b"data: " + JSON_ANSWER + b"\r\rdata: {}\n\n"),
    ],
)
def test_an_answer_in_disguise_shows_nothing_that_is_hidden(
    platform: Platform, scripted: ScriptedServer, headers: list[tuple[str, str]], body: bytes
) -> None:
    name = register(platform, "scripted", scripted.url)
    agent = platform.agent({**TOOLS})
    scripted.next.append(Scripted(200, headers, body))
    with platform.client(agent) as client:
        session = Session(client, f"http://{name}/mcp", HEADERS)
        shown = b""
        try:
            with client.stream(
                "POST", session.url, json=rpc("tools/list"), headers=HEADERS
            ) as answer:
                for part in answer.iter_raw():
                    shown += part
        except httpx.RemoteProtocolError:
            pass  # broken off
        assert b"hidden" not in shown
        assert b"h\0i\0d" not in shown
        assert session.call("echo", **ECHO) == ("done", "")
    assert len(platform.audited(agent, 2)) == 2
