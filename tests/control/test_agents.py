from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from tests.postgres import ON_BOTH

POLICY = {"name": "p", "allowed_llm_providers": ["openai"]}


async def test_a_created_agent_is_approved_and_works_at_once(control) -> None:
    answer = await control.ask(
        "POST", "/agents", json={"agent_id": "a", "owner": "team", "policy": POLICY}
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["agent_id"], body["status"], body["in_force"]) == ("a", "approved", True)
    assert await control.in_store(body["credential"]) == "active"
    agent = await control.store.agents.get("a")
    assert (agent.status, agent.owner) == ("approved", "team")
    assert (await control.store.policies.get("a")).version == 1
    shown = (await control.ask("GET", "/policy/a")).json()
    assert (shown["policy"], shown["author"]) == (POLICY, "admin")


async def test_an_agent_is_made_once(control) -> None:
    await control.create("a")
    answer = await control.ask("POST", "/agents", json={"agent_id": "a", "policy": POLICY})
    assert (answer.status_code, answer.json()["code"]) == (409, "agent-exists")
    assert (await control.ask("GET", "/policy/a")).status_code == 404


async def test_a_wrong_policy_makes_no_agent(control) -> None:
    answer = await control.ask("POST", "/agents", json={"agent_id": "a", "policy": {"nam": 1}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-policy")
    assert "nam" in answer.json()["detail"]
    assert (await control.ask("GET", "/agents/a")).status_code == 404


async def test_a_repeated_creation_gets_a_further_credential(control) -> None:
    headers = {**control.admin, "Idempotency-Key": "k1"}

    async def post(**more):
        return await control.client.post(
            "/agents", json={"agent_id": "a"}, headers={**headers, **more}
        )

    first, again = await post(), await post()
    assert (first.status_code, again.status_code) == (201, 201)
    for answer in (first, again):
        assert await control.in_store(answer.json()["credential"]) == "active"
    assert (await post(**{"Idempotency-Key": "k2"})).status_code == 409


@ON_BOTH
async def test_concurrent_creations_make_one(control) -> None:
    answers = await asyncio.gather(
        *(control.ask("POST", "/agents", json={"agent_id": "a"}) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


@pytest.mark.parametrize(
    ("moves", "status"),
    [
        (["approve"], "approved"),
        (["approve", "approve"], "approved"),
        (["reject"], "rejected"),
        (["reject", "reject"], "rejected"),
        (["reject", "approve"], "approved"),
        (["quarantine"], "quarantined"),
        (["quarantine", "quarantine"], "quarantined"),
        (["quarantine", "release"], "pending"),
        (["approve", "quarantine", "release"], "approved"),
        (["reject", "quarantine", "release"], "rejected"),
    ],
)
async def test_an_operator_moves_an_agent(control, moves, status) -> None:
    await control.register("a")
    for move in moves:
        answer = await control.ask("POST", f"/agents/a/{move}")
        assert answer.status_code == 200
    assert answer.json()["status"] == status
    assert (await control.store.agents.get("a")).status == status


@pytest.mark.parametrize(
    ("moves", "refused"),
    [(["quarantine"], "approve"), ([], "release"), (["approve"], "reject")],
)
async def test_a_move_that_makes_no_sense_says_what_to_do(control, moves, refused) -> None:
    await control.register("a")
    for move in moves:
        await control.ask("POST", f"/agents/a/{move}")
    answer = await control.ask("POST", f"/agents/a/{refused}")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong-state")


async def test_rotation_leaves_a_grace_or_none(control) -> None:
    first = await control.create("a")
    second = (await control.ask("POST", "/agents/a/rotate")).json()["credential"]
    assert await control.in_store(first) == await control.in_store(second) == "active"
    third = (await control.ask("POST", "/agents/a/rotate", json={"grace_seconds": 0})).json()
    assert await control.in_store(third["credential"]) == "active"
    assert await control.in_store(first) == await control.in_store(second) == "none"
    me = {"X-Amaze-Bearer": second}
    assert (await control.client.get("/agents/a", headers=me)).status_code == 401


async def test_an_agent_rotates_its_own_credential(control) -> None:
    first = await control.create("a")
    answer = await control.client.post("/agents/a/rotate", headers={"X-Amaze-Bearer": first})
    assert answer.status_code == 200
    assert await control.in_store(answer.json()["credential"]) == "active"


async def test_a_deleted_agent_is_gone_and_leaves_its_history(control) -> None:
    held = await control.create("a", policy=POLICY)
    assert (await control.ask("DELETE", "/agents/a")).status_code == 204
    assert await control.in_store(held) == "none"
    assert await control.store.agents.get("a") is None
    assert await control.store.policies.get("a") is None
    assert (await control.ask("GET", "/agents/a")).status_code == 404
    assert (await control.ask("DELETE", "/agents/a")).status_code == 404
    versions = (await control.ask("GET", "/policy/a/versions")).json()["versions"]
    assert [version["version"] for version in versions] == [1]
    fresh = await control.create("a")
    assert await control.in_store(held) == "none"
    assert await control.in_store(fresh) == "active"
    assert (await control.ask("GET", "/policy/a")).status_code == 404
    saved = await control.ask("PUT", "/policy/a", json=POLICY)
    assert (saved.json()["version"], saved.json()["parent"]) == (2, None)


async def test_agents_are_listed_by_status_and_page(control) -> None:
    for agent_id in ("c", "a", "b"):
        await control.create(agent_id)
    await control.register("d")
    first = (await control.ask("GET", "/agents?limit=3")).json()
    assert [agent["agent_id"] for agent in first["agents"]] == ["a", "b", "c"]
    rest = (await control.ask("GET", f"/agents?after={first['next']}")).json()
    assert ([agent["agent_id"] for agent in rest["agents"]], rest["next"]) == (["d"], None)
    waiting = (await control.ask("GET", "/agents?status=pending")).json()["agents"]
    assert [agent["agent_id"] for agent in waiting] == ["d"]


@pytest.mark.parametrize("query", ["status=nice", "limit=0", "limit=x", "limit=99999999999"])
async def test_a_wrong_query_names_the_parameter(control, query) -> None:
    answer = await control.ask("GET", f"/agents?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_no_hash_of_a_credential_is_shown(control) -> None:
    held = await control.create("a")
    await control.register("a")
    shown = await control.ask("GET", "/agents/a")
    record = await control.history.agents.get("a")
    for secret in (held, record.credentials[0].sha256, record.claim.sha256):
        assert secret not in shown.text


async def test_records_are_shown_newest_first(control) -> None:
    await control.create("a")
    for number in range(3):
        record = AuditRecord(f"d{number}", number, "a", "llm", denied=number == 1)
        await control.store.gate.settle(Settlement(f"d{number}", "a", record))
    found = (await control.ask("GET", "/agents/a/audit?limit=2")).json()
    assert [record["decision_id"] for record in found] == ["d2", "d1"]
    assert found[1]["denied"] is True


async def test_approved_agents_resolve_each_other(control) -> None:
    held = await control.create("a")
    await control.register("b", a2a_host="h", a2a_port=5)
    me = {"X-Amaze-Bearer": held}
    found = (await control.client.get("/resolve/agent/b", headers=me)).json()
    assert found == {
        "agent_id": "b",
        "status": "pending",
        "a2a_host": "h",
        "a2a_port": 5,
        "chat_host": None,
        "chat_port": None,
    }
    missing = await control.client.get("/resolve/agent/x", headers=me)
    assert (missing.status_code, missing.json()["code"]) == (404, "agent-not-found")


async def test_an_operator_says_where_an_agent_listens(control) -> None:
    await control.create("a", a2a_host="h", a2a_port=5)
    endpoint = (await control.store.agents.get("a")).endpoint
    assert (endpoint.a2a_host, endpoint.a2a_port) == ("h", 5)
    await control.register("b", chat_host="c", chat_port=6)
    before = await control.store.registry.generation()
    answer = await control.ask(
        "PUT", "/agents/b/endpoint", json={"a2a_host": "10.0.0.1", "a2a_port": 7}
    )
    assert (answer.json()["a2a_host"], answer.json()["chat_host"]) == ("10.0.0.1", "c")
    assert await control.store.registry.generation() > before
    assert (await control.store.agents.get("b")).endpoint.a2a_port == 7
    gone = await control.ask("PUT", "/agents/b/endpoint", json={"a2a_host": None, "a2a_port": None})
    assert (gone.json()["a2a_host"], gone.json()["chat_port"]) == (None, 6)
    again = await control.ask(
        "PUT", "/agents/b/endpoint", json={"a2a_host": None, "a2a_port": None}
    )
    assert again.json() == gone.json()


@pytest.mark.parametrize(
    "endpoint",
    [
        {"a2a_host": "h"},
        {"a2a_host": "h", "a2a_port": None},
        {"a2a_host": None, "a2a_port": 1},
        {"a2a_host": "169.254.169.254", "a2a_port": 80},
        {"a2a_host": "::ffff:169.254.169.254", "a2a_port": 80},
        {"a2a_host": "fd00::1%x", "a2a_port": 80},
        {"a2a_host": "h", "a2a_port": 0},
    ],
)
async def test_an_endpoint_that_is_none_is_refused(control, endpoint) -> None:
    await control.create("a")
    for method, path, more in (
        ("PUT", "/agents/a/endpoint", {}),
        ("POST", "/agents", {"agent_id": "b"}),
    ):
        answer = await control.ask(method, path, json={**endpoint, **more})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-fields")
