"""Which MCP servers may be called, and what an agent that waits for approval may do there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.clients.run import Running, run_client, start_server
from tests.e2e.mcp import (
    HEADERS,
    ScriptedServer,
    Session,
    register,
    session_of,
)
from tests.e2e.platform import Agent, Platform

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


def test_a_server_that_an_operator_rejects_stops_with_the_very_next_call(
    platform: Platform, server: Running
) -> None:
    name = register(platform, "judged", server.url)
    agent = platform.agent(TOOLS)
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        for _ in range(3):
            assert session.call("echo", **ECHO) == ("x", "")
            platform.control.post(f"/mcp_servers/{name}/reject", json={}).raise_for_status()
            said, reason = session.call("echo", **ECHO)
            assert reason == "mcp-not-allowed"
            assert f"{name!r} is rejected" in said
            assert "error" in session.ask("tools/list")
            platform.control.post(f"/mcp_servers/{name}/approve", json={}).raise_for_status()
        platform.control.delete(f"/mcp_servers/{name}").raise_for_status()
        assert session.call("echo", **ECHO)[1] == "mcp-not-allowed"
    assert server.executed == ["echo"] * 3


def test_a_server_that_waits_for_approval_is_not_called(
    platform: Platform, scripted: ScriptedServer
) -> None:
    name = f"waiting-{secrets.token_hex(3)}"
    made = httpx.post(
        f"http://127.0.0.1:{platform.control_port}/register?kind=mcp",
        json={"name": name, "url": scripted.url},
        trust_env=False,
        timeout=60,
    )
    assert made.json()["status"] == "pending", made.text
    agent = platform.agent(TOOLS)
    with platform.client(agent) as client:
        session = Session(client, f"http://{name}/mcp", HEADERS)
        said, reason = session.call("echo", **ECHO)
        assert reason == "mcp-not-allowed"
        assert f"{name!r} is pending" in said
        # nobody takes an address by a registration alone
        real = Session(client, scripted.url, HEADERS)
        assert real.call("echo", **ECHO)[1] == "mcp-not-allowed"
        for each in (session, real):
            assert each.ask("initialize")["error"]["data"]["reason"] == "mcp-not-allowed"
        assert scripted.seen == []
        platform.control.post(f"/mcp_servers/{name}/approve", json={}).raise_for_status()
        assert session.call("echo", **ECHO) == ("done", "")
        assert real.call("echo", **ECHO) == ("done", "")


@pytest.mark.parametrize("client", ["mcp1", "mcp2", "ts1"])
def test_a_client_says_that_its_server_is_not_registered(platform: Platform, client: str) -> None:
    agent = platform.agent(TOOLS)
    proxy = platform.proxy_url(agent)
    env = {"HTTP_PROXY": proxy, "http_proxy": proxy, "NODE_USE_ENV_PROXY": "1"}
    job = {"url": "http://nobody.example/mcp", "calls": [], "timeout": 30}
    answer = run_client(client, job, env, seconds=120)
    assert "nobody.example is no MCP server that is registered here" in answer["died"]
    records = platform.audited(agent, 1)
    assert {record["denial_reason"] for record in records} == {"mcp-not-allowed"}
    assert {record["kind"] for record in records} == {"mcp"}


BARRED: list[tuple[str, dict[str, Any]]] = [
    ("resources/read", {"uri": "demo://note"}),
    ("prompts/get", {"name": "greet", "arguments": {"name": "A"}}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "greet"}}),
    ("logging/setLevel", {"level": "debug"}),
    ("tasks/list", {}),
    ("tasks/result", {"taskId": "t"}),
    ("tasks/cancel", {"taskId": "t"}),
]


def test_a_pending_agent_may_look_and_nothing_else(
    platform: Platform, server: Running, name: str
) -> None:
    agent_id = f"pending-{secrets.token_hex(4)}"
    made = platform.control.post("/register", json={"agent_id": agent_id}).json()
    assert made["status"] == "pending"
    agent = Agent(agent_id, made["bearer_token"])
    platform.put_policy(
        agent, {**TOOLS, "allowed_resources": ["*/*"], "allowed_prompts": ["greet"]}
    )
    with session_of(platform, agent, f"http://{name}/mcp") as session:
        assert "tools" in session.ask("tools/list")["result"]
        said, reason = session.call("echo", **ECHO)
        assert reason == "agent-not-approved"
        assert f"amaze agents approve {agent_id}" in said
        for method, params in BARRED:
            refused = session.ask(method, **params)
            assert refused["error"]["data"]["reason"] == "agent-not-approved", method
        platform.control.post(f"/agents/{agent_id}/approve").raise_for_status()
        assert session.call("echo", **ECHO) == ("x", "")
    assert server.executed == ["echo"]
