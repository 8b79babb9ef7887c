"""MCP servers that register themselves: what proof is good for, and who decides."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import replace

import pytest

from amaze_proxy.control import registry as module
from amaze_proxy.control.config import RegistrationMode

ENROLL_KEY = "enrol-me-please"
HERE, THERE = "http://10.0.0.1:9000/mcp", "http://6.6.6.6/mcp"


async def _register(control, name="s", url=HERE, *, key="", admin=False, **more):
    headers = {"X-Amaze-Enroll-Key": key} if key else {}
    return await control.client.post(
        "/register?kind=mcp",
        json={"name": name, "url": url, **more},
        headers={**headers, **(control.admin if admin else {})},
    )


async def _stored(control, name="s"):
    found = await control.store.registry.mcp(name)
    return found and (found.url, str(found.status))


async def _judge(control, verb, name="s", **body):
    return await control.ask("POST", f"/mcp_servers/{name}/{verb}", json=body)


@pytest.mark.parametrize("proof", [{"key": ENROLL_KEY}, {"admin": True}])
@pytest.mark.parametrize("mode", RegistrationMode)
async def test_with_proof_a_new_server_is_approved(
    serve, config, store, history, clock, mode, proof
) -> None:
    async with serve(replace(config, registration=mode), store, history, clock) as control:
        answer = await _register(control, **proof, tools=["search"])
        assert answer.status_code == 201
        assert answer.json() == {
            "name": "s",
            "url": HERE,
            "status": "approved",
            "in_force": True,
            "message": "",
        }
        assert await _stored(control) == (HERE, "approved")
        shown = (await control.ask("GET", "/mcp_servers/s")).json()
        assert (shown["tools"], shown["revision"], shown["pending"]) == (["search"], 1, None)


async def test_without_proof_a_new_server_waits_for_an_operator(control) -> None:
    answer = (await _register(control)).json()
    assert (answer["status"], answer["in_force"]) == ("pending", True)
    assert "amaze mcp approve s" in answer["message"]
    assert await _stored(control) == (HERE, "pending")
    assert (await _judge(control, "approve")).json()["status"] == "approved"
    assert await _stored(control) == (HERE, "approved")


async def test_an_installation_may_ask_for_proof(serve, config, store, history, clock) -> None:
    strict = replace(config, registration=RegistrationMode.ENROLL)
    async with serve(strict, store, history, clock) as control:
        answer = await _register(control)
        assert (answer.status_code, answer.json()["code"]) == (403, "enrolment-required")
        assert await _stored(control) is None


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-Amaze-Enroll-Key": "wrong"}, 403, "enrolment-refused"),
        ({"Authorization": "Bearer wrong"}, 401, "unauthenticated"),
        ({"Authorization": "Basic x"}, 401, "unauthenticated"),
        ([("Authorization", "Bearer x"), ("Authorization", "Bearer x")], 401, "unauthenticated"),
    ],
)
async def test_wrong_proof_is_worse_than_none(control, headers, status, code) -> None:
    body = {"name": "s", "url": HERE}
    answer = await control.client.post("/register?kind=mcp", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await _stored(control) is None


async def test_the_same_again_changes_nothing(control) -> None:
    await _register(control)
    for proof in ({}, {"key": ENROLL_KEY}, {"admin": True}):
        again = await _register(control, url="HTTP://10.0.0.1:9000/mcp", **proof)
        assert (again.status_code, again.json()["status"]) == (201, "pending")
    assert (await control.ask("GET", "/mcp_servers/s")).json()["revision"] == 1


async def test_nobody_takes_over_a_server_without_proof(control) -> None:
    await _register(control, admin=True)
    claim = (await _register(control, url=THERE, tools=["evil"])).json()
    assert (claim["status"], claim["url"]) == ("pending", THERE)
    assert f"amaze mcp approve s --url {THERE}" in claim["message"]
    assert HERE not in claim["message"]
    assert await _stored(control) == (HERE, "approved")
    shown = (await control.ask("GET", "/mcp_servers/s")).json()
    assert (shown["url"], shown["tools"], shown["revision"]) == (HERE, [], 1)
    assert shown["pending"]["url"] == THERE
    assert shown["pending"]["tools"] == ["evil"]


async def test_a_claim_is_approved_as_it_was_looked_at(control) -> None:
    await _register(control, admin=True)
    await _register(control, url=THERE)
    other = await _judge(control, "approve", url="http://other/")
    assert (other.status_code, other.json()["code"]) == (409, "claim-changed")
    assert (await _judge(control, "approve", url=THERE)).json()["url"] == THERE
    assert await _stored(control) == (THERE, "approved")


async def test_a_claim_is_rejected_and_the_server_goes_on(control) -> None:
    await _register(control, admin=True)
    await _register(control, url=THERE)
    answer = (await _judge(control, "reject")).json()
    assert (answer["url"], answer["status"], answer["pending"]) == (HERE, "approved", None)
    assert await _stored(control) == (HERE, "approved")


async def test_a_rejected_server_is_stopped_and_does_not_register_itself_free(control) -> None:
    await _register(control, admin=True)
    await _register(control, url=THERE)
    assert (await _judge(control, "reject", url=HERE)).json()["status"] == "rejected"
    assert await _stored(control) == (HERE, "rejected")
    for proof in ({}, {"key": ENROLL_KEY}):
        answer = (await _register(control, **proof)).json()
        assert (answer["status"], "amaze mcp approve s" in answer["message"]) == ("rejected", True)
    refused = await _register(control, url=THERE)
    assert (refused.status_code, refused.json()["code"]) == (403, "server-rejected")
    moved = (await _register(control, url=THERE, key=ENROLL_KEY)).json()
    assert moved["status"] == "rejected"
    assert await _stored(control) == (THERE, "rejected")
    assert (await _judge(control, "approve")).json()["status"] == "approved"


async def test_with_proof_a_server_moves_and_keeps_its_status(control) -> None:
    await _register(control)
    moved = (await _register(control, url=THERE, key=ENROLL_KEY)).json()
    assert (moved["url"], moved["status"]) == (THERE, "pending")
    assert await _stored(control) == (THERE, "pending")


async def test_a_command_in_a_message_is_safe_to_copy(control) -> None:
    await _register(control, admin=True)
    url = "http://h/$(id);x&'y"
    message = (await _register(control, url=url)).json()["message"]
    assert shlex.split(message.partition(": ")[2]) == ["amaze", "mcp", "approve", "s", "--url", url]


async def test_concurrent_registrations_leave_one_server(control) -> None:
    answers = await asyncio.gather(
        *(_register(control, url=f"http://h{number}/") for number in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    shown = (await control.ask("GET", "/mcp_servers/s")).json()
    urls = {answer.json()["url"] for answer in answers}
    assert {shown["url"], shown["pending"]["url"]} < urls
    assert await _stored(control) == (shown["url"], "pending")


async def test_there_is_an_end_to_new_servers(control, monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 2)
    for name in ("a", "b"):
        assert (await _register(control, name)).status_code == 201
    answer = await _register(control, "c")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-pending")
    assert (await _register(control, "a")).status_code == 201
    assert (await _register(control, "d", key=ENROLL_KEY)).status_code == 201


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "a.b"}, "name"),
        ({"name": "A"}, "name"),
        ({"url": "ftp://h/"}, "url"),
        ({"url": "http://u:s3cret@h/"}, "url"),
        ({"url": 1}, "url"),
        ({"tools": "search"}, "tools"),
        ({"tools": [""]}, "tools.0"),
        ({"tools": ["a\n"]}, "tools.0"),
        ({"tools": ["x" * 129]}, "tools.0"),
        ({"tools": ["x"] * 1001}, "tools"),
        ({"surprise": 1}, "surprise"),
        ({"agent_id": "a"}, "agent_id"),
    ],
)
async def test_a_registration_that_is_none_names_the_field(control, wrong, field) -> None:
    body = {"name": "s", "url": HERE, **wrong}
    for path in ("/register?kind=mcp", "/mcp_servers"):
        answer = await control.ask("POST", path, json=body)
        assert answer.status_code == 422
        assert field in [one["field"] for one in answer.json()["errors"]]
        assert "s3cret" not in answer.text
    assert await control.store.registry.mcps() == []
