"""MCP servers and LLM hosts as operators make, list and delete them, and the names they share."""

from __future__ import annotations

import pytest

from amaze_proxy.control.registry import Dialect

HERE, THERE = "http://10.0.0.1:9000/mcp", "http://6.6.6.6/mcp"


async def _server(control, name="s", *, admin=True):
    body, headers = {"name": name, "url": HERE}, control.admin if admin else {}
    return await control.client.post("/register?kind=mcp", json=body, headers=headers)


async def test_names_are_shared_by_agents_servers_and_hosts(control) -> None:
    await control.create("an-agent")
    await _server(control, "a-server")
    host = {"name": "a-host", "url": "http://h/v1", "dialect": "openai"}
    assert (await control.ask("POST", "/llms", json=host)).status_code == 201
    taken = [
        await _server(control, "an-agent"),
        await _server(control, "a-host", admin=False),
        await control.ask("POST", "/mcp_servers", json={"name": "an-agent", "url": HERE}),
        await control.ask("POST", "/llms", json={**host, "name": "a-server"}),
        await control.ask("POST", "/llms", json={**host, "name": "an-agent"}),
        await control.ask("POST", "/agents", json={"agent_id": "a-server"}),
        await control.register("a-host"),
    ]
    for answer in taken:
        assert (answer.status_code, answer.json()["code"]) == (409, "name-taken")
        assert "take another name" in answer.json()["detail"]
    assert "an MCP server" in taken[5].json()["detail"]
    for path in ("/agents/a-host", "/mcp_servers/a-host", "/llms/a-server"):
        assert (await control.ask("GET", path)).status_code == 404
        assert (await control.ask("DELETE", path)).status_code == 404
    for path in ("/agents/an-agent", "/mcp_servers/a-server", "/llms/a-host"):
        assert (await control.ask("DELETE", path)).status_code == 204
    assert (await control.ask("POST", "/agents", json={"agent_id": "a-host"})).status_code == 201
    assert (await _server(control, "an-agent")).status_code == 201


async def test_an_admin_makes_a_server_once(control) -> None:
    body = {"name": "s", "url": HERE, "tools": ["t"], "owner": "team"}
    for _ in range(2):
        answer = await control.ask("POST", "/mcp_servers", json=body)
        assert answer.status_code == 201
        assert (answer.json()["status"], answer.json()["owner"]) == ("approved", "team")
        assert answer.json()["in_force"] is True
    assert (await control.store.registry.mcp("s")).owner == "team"
    other = await control.ask("POST", "/mcp_servers", json={**body, "url": THERE})
    assert (other.status_code, other.json()["code"]) == (409, "already-registered")


async def test_a_deleted_server_is_gone(control) -> None:
    await _server(control)
    assert (await control.ask("DELETE", "/mcp_servers/s")).status_code == 204
    assert await control.store.registry.mcp("s") is None
    missing = await control.ask("GET", "/mcp_servers/s")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-registered")
    for verb in ("approve", "reject"):
        assert (await control.ask("POST", f"/mcp_servers/s/{verb}")).status_code == 404
    assert (await _server(control, admin=False)).json()["status"] == "pending"


async def test_servers_are_listed_by_status_and_page(control) -> None:
    for name in ("c", "a", "b"):
        await _server(control, name)
    await _server(control, "d", admin=False)
    first = (await control.ask("GET", "/mcp_servers?limit=3")).json()
    assert [one["name"] for one in first["mcp_servers"]] == ["a", "b", "c"]
    rest = (await control.ask("GET", f"/mcp_servers?after={first['next']}")).json()
    assert ([one["name"] for one in rest["mcp_servers"]], rest["next"]) == (["d"], None)
    waiting = (await control.ask("GET", "/mcp_servers?status=pending")).json()["mcp_servers"]
    assert [one["name"] for one in waiting] == ["d"]
    wrong = await control.ask("GET", "/mcp_servers?status=quarantined")
    assert wrong.json()["errors"][0]["field"] == "status"


async def test_agents_resolve_servers(control) -> None:
    me = {"X-Amaze-Bearer": await control.create("a")}
    await _server(control, admin=False)
    found = await control.client.get("/resolve/mcp/s", headers=me)
    assert found.json() == {"name": "s", "url": HERE, "status": "pending"}
    missing = await control.client.get("/resolve/mcp/x", headers=me)
    assert (missing.status_code, missing.json()["code"]) == (404, "not-registered")


async def test_llm_hosts_are_added_listed_and_deleted(control) -> None:
    for dialect in Dialect:
        body = {"name": f"my-{dialect}", "url": "http://h:11434/v1", "dialect": dialect}
        for _ in range(2):
            answer = await control.ask("POST", "/llms", json=body)
            assert (answer.status_code, answer.json()["status"]) == (201, "approved")
    found = await control.store.registry.llm("my-ollama")
    assert (found.url, found.dialect, found.status) == ("http://h:11434/v1", "ollama", "approved")
    first = (await control.ask("GET", "/llms?limit=4")).json()
    rest = (await control.ask("GET", f"/llms?after={first['next']}")).json()
    names = [one["name"] for one in first["llms"] + rest["llms"]]
    assert names == sorted(f"my-{dialect}" for dialect in Dialect)
    assert rest["next"] is None
    assert (await control.ask("GET", "/llms/my-gemini")).json()["dialect"] == "gemini"
    assert (await control.ask("DELETE", "/llms/my-gemini")).status_code == 204
    assert await control.store.registry.llm("my-gemini") is None
    assert (await control.ask("GET", "/llms/my-gemini")).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"name": "openai"}, 400, "invalid-name"),
        ({"name": "a.b"}, 422, "invalid-fields"),
        ({"dialect": "soap"}, 422, "invalid-fields"),
        ({"url": "http://h/?key=x"}, 422, "invalid-fields"),
        ({"dialect": "gemini"}, 409, "already-registered"),
    ],
)
async def test_an_llm_host_that_is_none_is_refused(control, wrong, status, code) -> None:
    body = {"name": "h", "url": "http://h/v1", "dialect": "openai"}
    await control.ask("POST", "/llms", json=body)
    answer = await control.ask("POST", "/llms", json={**body, **wrong})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(await control.store.registry.llms()) == 1
