from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.control import registration as module
from amaze_proxy.control.config import RegistrationMode
from tests.postgres import ON_BOTH

ENROLL_KEY = "enrol-me-please"
AT_HOME = {"chat_host": "10.0.0.1", "chat_port": 9001}
ELSEWHERE = {"chat_host": "6.6.6.6", "chat_port": 666}


async def _endpoint(control, agent_id="a"):
    agent = await control.store.agents.get(agent_id)
    return agent.endpoint.chat_host, agent.endpoint.chat_port


async def test_a_new_agent_is_pending_and_the_store_knows_it(control) -> None:
    answer = await control.register("a", a2a_host="h", a2a_port=1, **AT_HOME)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"agent_id", "session_id", "bearer_token", "status", "in_force"}
    assert (body["agent_id"], body["status"], body["in_force"]) == ("a", "pending", True)
    assert body["bearer_token"].startswith("amz_a.")
    agent = await control.store.agents.get("a")
    assert (agent.status, agent.session_id) == ("pending", body["session_id"])
    assert agent.endpoint.a2a_port == 1
    assert await control.in_store(body["bearer_token"]) == "active"


async def test_nobody_takes_over_an_agent_without_proof(control) -> None:
    held = await control.create("a")
    await control.register("a", bearer=held, **AT_HOME)
    attack = (await control.register("a", **ELSEWHERE)).json()
    assert attack["status"] == "pending"
    assert await control.in_store(attack["bearer_token"]) == "pending"
    assert await control.in_store(held) == "active"
    assert await _endpoint(control) == ("10.0.0.1", 9001)
    me = {"X-Amaze-Bearer": attack["bearer_token"]}
    assert (await control.client.get("/agents/a", headers=me)).status_code == 401
    assert (await control.client.post("/turns", json={}, headers=me)).status_code == 401


async def test_a_claim_does_not_prove_the_next_one(control) -> None:
    await control.create("a")
    first = (await control.register("a", **ELSEWHERE)).json()
    second = (await control.register("a", bearer=first["bearer_token"], **ELSEWHERE)).json()
    assert second["status"] == "pending"
    assert await control.in_store(first["bearer_token"]) == "none"
    assert await control.in_store(second["bearer_token"]) == "pending"


async def test_approving_a_claim_hands_the_agent_over(control) -> None:
    held = await control.create("a")
    claim = (await control.register("a", **ELSEWHERE)).json()
    seen = (await control.ask("GET", "/agents/a")).json()["pending"]
    assert (seen["chat_host"], seen["chat_port"]) == ("6.6.6.6", 666)
    answer = await control.ask("POST", "/agents/a/approve", json={"claim": seen["claim"]})
    assert answer.json()["pending"] is None
    assert await control.in_store(claim["bearer_token"]) == "active"
    assert await control.in_store(held) == "active"
    assert await _endpoint(control) == ("6.6.6.6", 666)
    control.clock.now += 10 * 60 * 1000 + 1
    old = await control.client.get("/agents/a", headers={"X-Amaze-Bearer": held})
    assert old.status_code == 401


async def test_rejecting_a_claim_leaves_the_agent_as_it_is(control) -> None:
    held = await control.create("a")
    claim = (await control.register("a", **ELSEWHERE)).json()
    answer = await control.ask("POST", "/agents/a/reject")
    assert (answer.json()["status"], answer.json()["pending"]) == ("approved", None)
    assert await control.in_store(claim["bearer_token"]) == "none"
    assert await control.in_store(held) == "active"


async def test_a_claim_that_was_replaced_is_not_approved_in_its_place(control) -> None:
    await control.create("a")
    await control.register("a", **AT_HOME)
    seen = (await control.ask("GET", "/agents/a")).json()["pending"]["claim"]
    await control.register("a", **ELSEWHERE)
    answer = await control.ask("POST", "/agents/a/approve", json={"claim": seen})
    assert (answer.status_code, answer.json()["code"]) == (409, "claim-changed")
    assert await _endpoint(control) == ("", 0)


async def test_the_current_credential_registers_again_and_stays(control) -> None:
    held = await control.create("a")
    again = (await control.register("a", bearer=held, **AT_HOME)).json()
    assert (again["status"], again["bearer_token"]) == ("approved", held)
    assert await _endpoint(control) == ("10.0.0.1", 9001)
    control.clock.now += 24 * 3600 * 1000
    assert await control.in_store(held) == "active"  # no replica of the agent ends another's
    assert (await control.register("a", bearer=held)).json()["status"] == "approved"


async def test_a_credential_that_was_rotated_out_proves_nothing(control) -> None:
    leaked = await control.create("a")
    held = (await control.ask("POST", "/agents/a/rotate")).json()["credential"]
    assert await control.in_store(leaked) == "active"  # for its grace
    taken = (await control.register("a", bearer=leaked, **ELSEWHERE)).json()
    assert taken["status"] == "pending"
    assert await _endpoint(control) == ("", 0)
    headers = {"X-Amaze-Bearer": leaked}
    rotated = await control.client.post("/agents/a/rotate", headers=headers)
    assert rotated.status_code == 403
    assert await control.in_store(held) == "active"


async def test_every_replica_that_enrols_has_its_own_credential(control) -> None:
    first = await control.create("a")
    tokens = [
        (await control.register("a", key=ENROLL_KEY)).json()["bearer_token"] for _ in range(16)
    ]
    assert len({first, *tokens}) == 17
    control.clock.now += 10 * 60 * 1000 + 1
    states = [await control.in_store(token) for token in tokens]
    assert states == ["active"] * 16
    assert (await control.register("a", bearer=first)).json()["status"] == "pending"  # one too many


async def test_the_enrolment_key_takes_the_agent_over(control) -> None:
    await control.create("a")
    answer = (await control.register("a", key=ENROLL_KEY, **AT_HOME)).json()
    assert answer["status"] == "approved"
    assert await control.in_store(answer["bearer_token"]) == "active"
    assert await _endpoint(control) == ("10.0.0.1", 9001)


async def test_a_new_agent_waits_also_with_the_enrolment_key(control) -> None:
    assert (await control.register("a", key=ENROLL_KEY)).json()["status"] == "pending"


@pytest.mark.parametrize(
    "proof", [{"key": "wrong"}, {"bearer": "amz_b.0123456789abcdef"}, {"bearer": "nonsense"}]
)
async def test_proof_that_is_plainly_wrong_is_refused(control, proof) -> None:
    await control.create("a")
    answer = await control.register("a", **proof)
    assert (answer.status_code, answer.json()["code"]) == (403, "enrolment-refused")
    assert (await control.ask("GET", "/agents/a")).json()["pending"] is None
    assert not any(secret in answer.text for secret in ('wrong"', "0123456789abcdef"))


async def test_with_enrolment_a_stranger_is_told_what_to_do(
    serve, config, store, history, clock
) -> None:
    closed = replace(config, registration=RegistrationMode.ENROLL)
    async with serve(closed, store, history, clock) as control:
        answer = await control.register("a")
        assert (answer.status_code, answer.json()["code"]) == (403, "enrolment-required")
        assert "AMAZE_ENROLL_KEY" in answer.json()["detail"]
        assert await store.agents.get("a") is None
        held = await control.create("b")
        assert (await control.register("b")).status_code == 403
        assert (await control.register("b", bearer=held)).json()["status"] == "approved"
        assert (await control.register("a", key=ENROLL_KEY)).json()["status"] == "pending"


@pytest.mark.parametrize(("act", "status"), [("quarantine", "quarantined"), ("reject", "rejected")])
async def test_a_stopped_agent_does_not_register_itself_free(control, act, status) -> None:
    held = (await control.register("a")).json()["bearer_token"]
    await control.ask("POST", f"/agents/a/{act}")
    for proof in ({}, {"bearer": held}, {"key": ENROLL_KEY}):
        answer = await control.register("a", **proof)
        assert (answer.status_code, answer.json()["code"]) == (403, "agent-barred")
    assert (await control.store.agents.get("a")).status == status


@ON_BOTH
async def test_concurrent_registrations_of_one_id_leave_one_that_holds_it(control) -> None:
    answers = await asyncio.gather(*(control.register("a", **AT_HOME) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    tokens = [answer.json()["bearer_token"] for answer in answers]
    assert len(set(tokens)) == 12
    states = [await control.in_store(token) for token in tokens]
    assert sorted(states) == ["active"] + ["none"] * 10 + ["pending"]


async def test_there_is_an_end_to_new_agents(control, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    for agent_id in ("a", "b"):
        assert (await control.register(agent_id)).status_code == 200
    answer = await control.register("c")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-pending")
    assert (await control.register("a")).status_code == 200


async def test_a_port_without_a_host_is_where_the_registration_comes_from(control) -> None:
    await control.register("a", chat_port=7)
    assert await _endpoint(control) == ("127.0.0.1", 7)


@pytest.mark.parametrize(
    "endpoint",
    [
        {"chat_host": "h"},
        {"chat_host": "*.example.com", "chat_port": 1},
        {"chat_host": "169.254.169.254", "chat_port": 80},
        {"chat_host": "0.0.0.0", "chat_port": 80},
        {"chat_host": "user@host", "chat_port": 80},
        {"chat_host": "h/../x", "chat_port": 80},
        {"chat_host": "h" * 300, "chat_port": 80},
        {"chat_host": "h", "chat_port": 0},
        {"chat_host": "h", "chat_port": 65536},
        {"chat_host": "h", "chat_port": "80"},
        {"chat_host": "h", "chat_port": True},
        {"surprise": 1},
    ],
)
async def test_an_endpoint_that_is_none_is_refused(control, endpoint) -> None:
    answer = await control.register("a", **endpoint)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert await control.store.agents.get("a") is None


async def test_another_kind_is_refused(control) -> None:
    answer = await control.client.post("/register?kind=llm", json={"agent_id": "a"})
    assert answer.status_code == 422
