"""Who may speak: missing, wrong, somebody else's and mangled credentials are refused."""

from __future__ import annotations

import base64
import json
import re
import socket

import httpx
import pytest

from tests.e2e.platform import OPENAI, Agent, Platform, chat, reason_of, until

HTTP_OPENAI = "http://api.openai.com/v1/chat/completions"


def raw(platform: Platform, data: bytes) -> bytes:
    """The proxy's one answer to these bytes; the connection may stay open after it."""
    with socket.create_connection(("127.0.0.1", platform.proxy_port), 60) as sock:
        sock.sendall(data)
        sock.settimeout(60)
        out = b""
        while not _whole(out) and (part := sock.recv(65536)):
            out += part
        return out


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def connect(credentials: bytes | None) -> bytes:
    line = b"Proxy-Authorization: " + credentials + b"\r\n" if credentials else b""
    host = b"api.openai.com:443"
    return b"CONNECT " + host + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + line + b"\r\n"


def unknown_records(platform: Platform) -> list[dict[str, object]]:
    return platform.audit("_unknown")


@pytest.mark.parametrize(
    "spell",
    [
        lambda agent, other: None,
        lambda agent, other: basic(agent.agent_id, "wrong-secret-wrong-secret"),
        lambda agent, other: basic(agent.agent_id, other.credential),
        lambda agent, other: basic(other.agent_id, agent.credential),
        lambda agent, other: basic(agent.agent_id, agent.credential.replace("_", "%5F")),
        lambda agent, other: basic(agent.agent_id + "%2Fx", agent.credential),
        lambda agent, other: basic(agent.agent_id.upper(), agent.credential),
        lambda agent, other: basic(agent.agent_id, ""),
        lambda agent, other: b"Basic !!!",
        lambda agent, other: b"Bearer " + agent.credential.encode(),
    ],
    ids=[
        "none",
        "wrong",
        "others-secret",
        "others-name",
        "percent",
        "slash",
        "case",
        "empty",
        "no-base64",
        "bearer-scheme",
    ],
)
def test_connect_is_refused_with_407_and_the_reason_in_its_phrase(
    platform: Platform, spell: object
) -> None:
    agent, other = platform.agent(), platform.agent()
    before = len(unknown_records(platform))
    answer = raw(platform, connect(spell(agent, other)))  # type: ignore[operator]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 407 Agent credential missing or invalid\r\n")
    assert b"proxy-authenticate: basic realm=" in head.lower()
    assert json.loads(body)["reason"] == "invalid-bearer"
    records = until(
        lambda: found if len(found := unknown_records(platform)) > before else None, "a record"
    )
    assert records[-1]["denial_reason"] == "invalid-bearer"
    for secret in (agent.credential, other.credential):
        assert secret.encode() not in answer
        assert secret not in json.dumps(records)


def test_plain_http_without_a_credential_is_407_and_with_a_wrong_one_403(
    platform: Platform, agent: Agent
) -> None:
    with httpx.Client(
        proxy=f"http://127.0.0.1:{platform.proxy_port}", trust_env=False, timeout=60
    ) as client:
        missing = client.post(HTTP_OPENAI, json=chat())
        assert (missing.status_code, reason_of(missing)) == (407, "invalid-bearer")
        wrong = client.post(
            HTTP_OPENAI, json=chat(), headers={"X-Amaze-Bearer": agent.credential + "x"}
        )
        assert (wrong.status_code, reason_of(wrong)) == (403, "invalid-bearer")
        right = client.post(HTTP_OPENAI, json=chat(), headers={"X-Amaze-Bearer": agent.credential})
        assert right.status_code == 200


def test_two_identities_at_once_are_refused(platform: Platform, agent: Agent) -> None:
    other = platform.agent()
    with platform.client(agent) as client:
        answer = client.post(OPENAI, json=chat(), headers={"X-Amaze-Bearer": other.credential})
    assert (answer.status_code, reason_of(answer)) == (403, "invalid-bearer")
    assert platform.provider.seen == []


def test_a_rotated_out_agent_keeps_working_with_the_new_credential_only_after_grace(
    platform: Platform, agent: Agent
) -> None:
    fresh = platform.control.post(f"/agents/{agent.agent_id}/rotate").json()["credential"]
    for credential in (fresh, agent.credential):  # the old one has its grace period
        with platform.client(Agent(agent.agent_id, credential)) as client:
            assert client.post(OPENAI, json=chat()).status_code == 200


def test_a_forged_turn_is_refused(platform: Platform, agent: Agent) -> None:
    token = httpx.post(
        f"http://127.0.0.1:{platform.control_port}/turns",
        headers={"X-Amaze-Bearer": agent.credential},
        json={},
        trust_env=False,
        timeout=60,
    ).json()["turn"]
    other = platform.agent()
    with platform.client(agent) as client:
        good = client.post(OPENAI, json=chat(), headers={"X-Amaze-Turn": token})
        assert good.status_code == 200
        last = "A" if token[-5] != "A" else "B"
        forged = client.post(
            OPENAI, json=chat(), headers={"X-Amaze-Turn": token[:-5] + last + token[-4:]}
        )
        assert (forged.status_code, reason_of(forged)) == (403, "invalid-turn")
    with platform.client(other) as client:
        foreign = client.post(OPENAI, json=chat(), headers={"X-Amaze-Turn": token})
        assert (foreign.status_code, reason_of(foreign)) == (403, "invalid-turn")


def test_a_deleted_agent_is_nobody(platform: Platform, agent: Agent) -> None:
    with platform.client(agent) as client:
        assert client.post(OPENAI, json=chat()).status_code == 200
        platform.control.delete(f"/agents/{agent.agent_id}").raise_for_status()
        gone = client.post(OPENAI, json=chat())
        assert (gone.status_code, reason_of(gone)) == (403, "invalid-bearer")
