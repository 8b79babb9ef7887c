"""What callers may cost and write who are nobody yet, and what passes for a model call."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.e2e.platform import OPEN_POLICY, OPENAI, Agent, Platform, chat, reason_of, until
from tests.e2e.test_credentials import HTTP_OPENAI, basic
from tests.e2e.test_evasion import everything, request, tls_in, tunnel

LARGE = 300_000


def rival_of(platform: Platform, agent: Agent) -> Agent:
    """Who registers under the agent's name, and waits for approval."""
    answer = httpx.post(
        f"http://127.0.0.1:{platform.control_port}/register",
        json={"agent_id": agent.agent_id},
        trust_env=False,
        timeout=60,
    )
    assert answer.json()["status"] == "pending"
    return Agent(agent.agent_id, answer.json()["bearer_token"])


def post(platform: Platform, caller: Agent, body: object) -> httpx.Response:
    """A call of a model without a tunnel, so that nothing is checked before its body comes."""
    with httpx.Client(
        proxy=f"http://127.0.0.1:{platform.proxy_port}", trust_env=False, timeout=30
    ) as client:
        credentials = basic(caller.agent_id, caller.credential).decode()
        return client.post(HTTP_OPENAI, json=body, headers={"proxy-authorization": credentials})


def test_a_waiting_registration_writes_nothing_into_the_agents_log(platform: Platform) -> None:
    agent = platform.agent()
    answer = post(platform, rival_of(platform, agent), chat("planted"))
    assert reason_of(answer) == "agent-not-approved"
    assert platform.audit(agent.agent_id) == []
    record = platform.audit("_unknown")[-1]
    assert (record["caller"], record["denial_reason"]) == (agent.agent_id, "agent-not-approved")


def test_little_of_a_strangers_body_is_kept(platform: Platform) -> None:
    stranger = Agent("stranger", "amz_stranger." + "x" * 32)
    answer = post(platform, stranger, chat("y" * 30_000))
    assert reason_of(answer) == "invalid-bearer"
    record = platform.audit("_unknown")[-1]
    assert record["caller"] == "stranger"
    assert len(record["input"]) == 2048
    assert record["truncated"]
    assert record["input_size"] > 30_000


def test_a_strangers_large_body_is_refused_before_it_has_come(platform: Platform) -> None:
    stranger = Agent("stranger", "amz_stranger." + "x" * 32)
    answer = post(platform, stranger, chat("y" * 20_000_000))
    assert reason_of(answer) == "invalid-bearer"
    assert platform.audit("_unknown")[-1]["input_size"] < 2_000_000


def test_a_large_body_of_an_agent_passes(platform: Platform) -> None:
    assert post(platform, platform.agent(), chat("y" * LARGE)).status_code == 200


def test_a_body_of_too_many_values_is_refused(platform: Platform) -> None:
    answer = post(platform, platform.agent(), chat(x=[{}] * 200_000))
    assert (answer.status_code, reason_of(answer)) == (413, "request-too-large")


@pytest.mark.parametrize("authority", ["api.openai.com:8443", "api.openai.com:80"])
def test_a_providers_other_ports_are_no_ordinary_hosts(platform: Platform, authority: str) -> None:
    agent = platform.agent({**OPEN_POLICY, "allowed_hosts": ["*.openai.com"]})
    with tunnel(platform, agent, authority) as sock:
        inside = tls_in(platform, sock, "api.openai.com")
        inside.sendall(request(authority))
        answer = everything(inside)
        inside.close()
    assert answer.startswith(b"HTTP/1.1 403")
    assert platform.provider.seen == []
    assert platform.audited(agent, 1)[0]["denial_reason"] == "llm-not-allowed"


@pytest.mark.parametrize(
    "kind",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json; charset=utf-16",
    ],
)
def test_a_body_that_is_declared_as_something_else_is_refused(
    platform: Platform, kind: str
) -> None:
    body = json.dumps({**chat(), "x": "&model=o3&y="})
    with platform.client(platform.agent()) as client:
        answer = client.post(OPENAI, content=body, headers={"content-type": kind})
    assert (answer.status_code, reason_of(answer)) == (400, "malformed-request")
    assert platform.provider.seen == []


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8", None])
def test_a_body_that_is_declared_as_json_passes(platform: Platform, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    with platform.client(platform.agent()) as client:
        answer = client.post(OPENAI, content=json.dumps(chat()), headers=headers)
    assert answer.status_code == 200


def test_a_key_in_the_path_or_as_the_model_is_not_recorded(platform: Platform) -> None:
    agent = platform.agent({**OPEN_POLICY, "allowed_hosts": ["allowed.example"]})
    key = "sk-proj-abcdefghijklmnop1234"
    with platform.client(agent) as client:
        client.get(f"https://allowed.example/bot/{key}/send?key={key}")
        client.post(OPENAI, json=chat(model=key))
    records = platform.audited(agent, 2)
    assert records[0]["path"] == "/bot/[redacted]/send"
    assert key not in json.dumps(records)


def test_deleting_an_agent_stops_its_running_stream(platform: Platform) -> None:
    agent = platform.agent()
    with (
        platform.client(agent) as client,
        client.stream("POST", OPENAI, json=chat("endless", stream=True)) as answer,
    ):
        parts = answer.iter_raw()
        next(parts)
        assert platform.control.delete(f"/agents/{agent.agent_id}").status_code == 204
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in parts:
                pass
    until(lambda: platform.provider.seen[0].gone.is_set(), "the provider to be left")
    assert platform.audited(agent, 1)[0]["denied"]


def test_a_body_that_breaks_off_is_recorded_as_the_agents(platform: Platform) -> None:
    agent = platform.agent()
    with tunnel(platform, agent, "api.openai.com:443") as sock:
        inside = tls_in(platform, sock, "api.openai.com")
        inside.sendall(request("api.openai.com")[:-10])
        inside.close()
    assert platform.audited(agent, 1)[0]["error"] == "client went away"
