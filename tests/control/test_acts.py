"""What people change is in the log, before and after, without secrets."""

from __future__ import annotations

import hashlib
import json

from amaze_proxy.control.acts import Act, Acts, Outcome, told
from amaze_proxy.store.store import open_store
from tests.control.conftest import PATIENCE_S


async def acts(control) -> list[dict]:
    """Oldest first."""
    answer = await control.ask("GET", "/agents/_admin/audit")
    assert answer.status_code == 200
    return answer.json()[::-1]


async def test_an_act_is_recorded_before_and_after(control) -> None:
    await control.create("a", owner="ann")
    seen = len(await acts(control))
    await control.ask("POST", "/agents/a/quarantine")
    before, after = (await acts(control))[seen:]
    for record in (before, after):
        assert record["kind"] == "admin"
        assert (record["caller"], record["session_id"]) == ("admin", "127.0.0.1 admin key")
        assert (record["tool"], record["target"]) == ("agents.quarantine", "agents/a")
        assert (record["method"], record["path"]) == ("POST", "/agents/a/quarantine")
        assert json.loads(record["input"])["status"] == "approved"
        assert not record["denied"]
    assert (before["status"], before["output"], before["parent_span_id"]) == (0, "", "")
    assert (after["status"], after["parent_span_id"]) == (200, before["span_id"])
    assert json.loads(after["output"])["status"] == "quarantined"
    assert await control.store.audit.verify("_admin") == []


async def test_reading_and_what_agents_do_themselves_is_no_act(control) -> None:
    held = await control.create("a")
    seen = len(await acts(control))
    await control.ask("GET", "/agents/a")
    await control.ask("POST", "/policy/a/validate", content="name: p")
    await control.client.post("/agents/a/rotate", headers={"X-Amaze-Bearer": held})
    await control.client.post("/agents/a/quarantine", headers={"X-Amaze-Bearer": held})
    assert len(await acts(control)) == seen


async def test_an_admin_who_registers_a_server_is_recorded_and_nobody_else(control) -> None:
    body = {"name": "srv", "url": "http://10.0.0.7:9000/mcp"}
    await control.client.post("/register?kind=mcp", json=body)
    assert await acts(control) == []
    await control.ask(
        "POST", "/register?kind=mcp", json={**body, "url": "http://10.0.0.8:9000/mcp"}
    )
    before, after = await acts(control)
    assert (before["caller"], before["tool"]) == ("admin", "mcp_servers.register")
    assert (before["target"], before["status"]) == ("mcp_servers/srv", 0)
    assert "10.0.0.7" in before["input"]
    assert (after["status"], after["parent_span_id"]) == (201, before["span_id"])
    assert "10.0.0.8" in after["output"]


async def test_no_secret_is_in_the_log(control) -> None:
    held = await control.create("a")
    rotated = (await control.ask("POST", "/agents/a/rotate")).json()["credential"]
    made = (await control.ask("POST", "/auth/users", json={"name": "ann", "role": "admin"})).json()
    body = {"role": "viewer", "user": "ann"}
    key = (await control.ask("POST", "/auth/api-keys", json=body)).json()
    text = json.dumps(await acts(control))
    for secret in (held, rotated, made["password"], key["key"]):
        assert secret not in text
    assert key["prefix"] in text
    assert "argon2" not in text


async def test_a_policy_is_recorded_as_it_was_and_is(control) -> None:
    await control.create("a", policy={"name": "one"})
    document = {"name": "two", "tool_rules": {"srv": {"t": {"token": {"max_length": 5}}}}}
    answer = await control.ask("PUT", "/policy/a", json={"name": "two"})
    assert answer.status_code == 200, document
    record = (await acts(control))[-1]
    assert json.loads(record["input"])["policy"]["name"] == "one"
    assert json.loads(record["output"])["policy"]["name"] == "two"


def test_a_document_is_kept_whole_and_an_answers_secrets_are_not() -> None:
    told_of = json.loads(
        told({"policy": {"token": 5}, "list": [{"key": "k", "password": None}], "reply": "r"})
    )
    assert told_of == {
        "policy": {"token": 5},
        "list": [{"key": "[left out]", "password": None}],
        "reply": "[left out]",
    }


async def test_what_is_refused_is_recorded_with_its_code(control) -> None:
    await control.ask("DELETE", "/agents/nobody")
    before, after = (await acts(control))[-2:]
    assert (before["target"], before["input"]) == ("agents/nobody", "")
    assert (after["status"], after["error"], after["output"]) == (404, "agent-not-found", "")


async def test_what_goes_has_no_new_state(control) -> None:
    await control.create("a")
    await control.ask("DELETE", "/agents/a")
    record = (await acts(control))[-1]
    assert (record["status"], record["output"]) == (204, "")
    assert json.loads(record["input"])["agent_id"] == "a"


async def test_a_state_is_cut_at_the_cap_with_its_size(control) -> None:
    log = Acts(control.store.gate, control.clock)
    act = Act("ann", "session", "::1", "x.y", "t" * 600, "PUT", "/" + "p" * 600, "é" * 131_073)
    await log.end(act, await log.begin(act), Outcome(200, "new"))
    before, after = await acts(control)
    for record in (before, after):
        assert record["truncated"]
        assert record["input"] == "é" * 131_072
        assert record["input_size"] == 262_146
        assert record["input_sha256"] == hashlib.sha256(act.old.encode()).hexdigest()
        assert (len(record["target"]), len(record["path"])) == (500, 500)
    assert (after["output"], after["output_size"]) == ("new", 3)


async def test_sign_ins_are_recorded_and_passwords_typed_as_names_are_not(control) -> None:
    body = {"name": "ann", "role": "viewer", "password": "correct horse battery"}
    await control.ask("POST", "/auth/users", json=body)
    for name, password in (
        ("ann", "correct horse battery"),
        ("ann", "wrong"),
        ("Correct Horse Battery", "ann"),
    ):
        sent = {"name": name, "password": password}
        await control.client.post("/auth/login", json=sent)
    found = [one for one in await acts(control) if one["tool"] == "auth.login"]
    assert [(one["caller"], one["status"]) for one in found] == [
        ("ann", 200),
        ("ann", 401),
        ("?", 401),
    ]
    assert "orse" not in json.dumps(found)


async def test_without_a_store_and_a_journal_nothing_is_changed(
    config, own_valkey, history, clock, serve
) -> None:
    store = await open_store(own_valkey.url, timeout=PATIENCE_S)
    async with serve(config, store, history, clock) as control:
        await control.create("a")
        own_valkey.stop()
        answer = await control.ask("POST", "/agents/a/quarantine")
        assert (answer.status_code, answer.json()["code"]) == (503, "redis-unavailable")
        assert (await history.agents.get("a")).status == "approved"
        own_valkey.start()
    await store.close()


async def test_with_a_journal_it_is_changed_and_recorded_later(
    config, own_valkey, own_store, history, clock, serve, until
) -> None:
    async with serve(config, own_store, history, clock) as control:
        await control.create("a")
        own_valkey.stop()
        answer = await control.ask("POST", "/agents/a/quarantine")
        assert (answer.status_code, answer.json()["code"]) == (503, "not-in-force")
        assert (await history.agents.get("a")).status == "quarantined"
        own_valkey.start()

        async def recorded() -> bool:
            answer = await control.ask("GET", "/agents/_admin/audit?limit=1")
            return answer.status_code == 200 and answer.json()[0]["error"] == "not-in-force"

        await until(recorded)
        assert '"quarantined"' in (await acts(control))[-1]["output"]
