"""Calls from agent to agent: where they go, what the callee is told, and callees that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.agents.asks import Ask, Caller, listens, send, send_rest
from tests.e2e.agents.peer import Peer
from tests.e2e.platform import Agent, Platform, free_ports, until

CARD = "/.well-known/agent-card.json"


@pytest.fixture(scope="module")
def _peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def peer(_peer: Peer) -> Peer:
    _peer.clear()
    return _peer


@pytest.fixture
def callee(platform: Platform, peer: Peer) -> Iterator[Agent]:
    """An agent that listens where the peer does, for one test."""
    agent = platform.agent({"name": "callee"}, "callee")
    listens(platform, agent, peer.endpoint)
    yield agent
    listens(platform, agent, {"a2a_host": None, "a2a_port": None})


def caller_of(platform: Platform, callee: Agent, **fields: Any) -> Caller:
    return Caller(platform, platform.agent({"allowed_agents": [callee.agent_id], **fields}))


def push(url: str) -> dict[str, Any]:
    return {"taskPushNotificationConfig": {"url": url}}


def test_a_webhook_must_be_a_host_that_is_allowed(
    platform: Platform, peer: Peer, callee: Agent
) -> None:
    with caller_of(platform, callee, allowed_hosts=["hooks.example"]) as caller:
        for make in (send, send_rest):
            evil = caller(make(callee.agent_id, **push("https://evil.example/hook")))
            assert evil.reason == "host-not-allowed"
            assert "evil.example" in evil.text
            assert peer.seen == []
            assert caller(make(callee.agent_id, **push("https://hooks.example/h"))).reason == ""
            assert len(peer.seen) == 1
            peer.clear()


def test_an_address_of_a_card_is_the_agent_where_it_is_registered(
    platform: Platform, peer: Peer, callee: Agent
) -> None:
    """Whoever made the card cannot send the proxy anywhere by it."""
    elsewhere = Peer()
    try:
        url = f"http://127.0.0.1:{elsewhere.port}/"
        peer.card = {"name": "callee", "url": url}
        with caller_of(platform, callee) as caller:
            ask = send(callee.agent_id)
            at_url = Ask(url, ask.body, ask.headers)
            stray = caller(at_url)
            assert stray.reason == "not-allowed"
            assert "no agent that is registered here" in stray.json["error"]["message"]
            assert caller.get(f"http://{callee.agent_id}{CARD}").json == peer.card
            until(lambda: caller(at_url).reason == "", "the card's address to be known")
            assert {got.text for got in peer.seen} == {"hi"}
            assert elsewhere.seen == []
            others = Caller(platform, platform.agent({"name": "none"}))
            with others:
                assert others(at_url).reason == "not-allowed"
    finally:
        elsewhere.close()


def test_a_stranger_that_registers_takes_nobodys_address(
    platform: Platform, peer: Peer, callee: Agent
) -> None:
    name = f"zz-{callee.agent_id}"  # after the callee in every order
    found = platform.control.post("/register", json={"agent_id": name, **peer.endpoint})
    assert found.status_code == 409
    assert f"agent {callee.agent_id} listens at" in found.text
    with caller_of(platform, callee) as caller:
        ask = send(callee.agent_id)
        at_url = Ask(f"http://127.0.0.1:{peer.port}/", ask.body, ask.headers)
        assert caller(at_url).reason == ""
        with Caller(platform, platform.agent({"name": "none"})) as other:
            assert callee.agent_id in other(at_url).text
    assert [one["target"] for one in platform.audited(caller.agent, 1)] == [callee.agent_id]


def test_the_callee_is_told_who_calls_and_gets_no_credential(
    platform: Platform, peer: Peer, callee: Agent
) -> None:
    with caller_of(platform, callee) as caller:
        ask = send(callee.agent_id)
        forged = {"x-amaze-caller": "boss", "x-amaze-caller-signature": "c1.1.x"}
        assert caller(Ask(ask.url, ask.body, {**ask.headers, **forged})).reason == ""
        (got,) = peer.seen
        assert got.headers["x-amaze-caller"] == caller.agent.agent_id
        assert got.headers["x-amaze-caller-signature"].startswith("c1.")
        assert got.headers["x-amaze-turn"].startswith("t1.")
        assert not {"x-amaze-bearer", "proxy-authorization"} & set(got.headers)
        assert caller.agent.credential not in str(got.headers)


def one_slot(callee: Agent) -> dict[str, Any]:
    step = {"step_id": 1, "call_type": "agent", "callee_id": callee.agent_id, "max_loops": 1}
    return {"mode": "strict", "graph": {"start_step": 1, "steps": [step]}}


FAULTS = {
    "error500": "",
    "hangup": "upstream-unreachable",
    "break": "upstream-unreachable",
    "rpc-error": "",
    "redirect": "",
}
SHAPES: dict[str, Callable[[str, str], Ask]] = {
    "json-rpc": send,
    "rest": send_rest,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_callee_that_fails_burns_no_slot(
    platform: Platform, peer: Peer, callee: Agent, fault: str, shape: str
) -> None:
    ask = SHAPES[shape]
    with caller_of(platform, callee, **one_slot(callee)) as caller:
        failed = caller(ask(callee.agent_id, fault))
        assert failed.reason == FAULTS[fault]
        if failed.reason:
            error = failed.json["error"]
            assert (failed.status, error["code"]) == ((200, -32050), (502, 502))[shape == "rest"]
            assert callee.agent_id in error["message"]
        assert caller.reasons(ask(callee.agent_id), ask(callee.agent_id)) == [
            "",
            "edge_loop_exceeded",
        ]
        records = platform.audited(caller.agent, 3)
        assert [one["denied"] for one in records] == [False, False, True]
        assert len({one["decision_id"] for one in records}) == 3
    assert [got.text for got in peer.seen] == [fault, "hi"]


@pytest.mark.parametrize("shape", ["json-rpc", "rest"])
def test_a_callee_that_hangs_up_in_its_stream_is_told_in_the_stream(
    platform: Platform, peer: Peer, callee: Agent, shape: str
) -> None:
    def ask(text: str) -> Ask:
        if shape == "rest":
            return send_rest(callee.agent_id, text, "stream")
        return send(callee.agent_id, text, "SendStreamingMessage")

    with caller_of(platform, callee, **one_slot(callee)) as caller:
        got = b""
        broken = ask("break")
        with (
            platform.client(caller.agent) as client,
            client.stream("POST", broken.url, json=broken.body, headers=broken.headers) as answer,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            for part in answer.iter_raw():
                got += part
        assert b"TASK_STATE_WORKING" in got
        assert b"upstream-unreachable" in got
        assert (b"event: error" in got) == (shape == "rest")
        again = caller(ask("hi"))
        assert (again.reason, "echo: hi" in again.text) == ("", True)
        over = caller(ask("hi"))
        assert "edge_loop_exceeded" in over.text
        records = platform.audited(caller.agent, 3)
        assert [one["denied"] for one in records] == [False, False, True]
        assert "upstream-unreachable" in records[0]["error"]


def test_a_callee_that_is_not_there_burns_no_slot_and_counts_nothing(
    platform: Platform, peer: Peer, callee: Agent
) -> None:
    (closed,) = free_ports(1)
    with caller_of(platform, callee, **one_slot(callee), max_agent_calls_per_turn=1) as caller:
        listens(platform, callee, {"a2a_host": "127.0.0.1", "a2a_port": closed})
        for ask, status in ((send, 200), (send_rest, 502)):
            away = caller(ask(callee.agent_id))
            assert (away.reason, away.status) == ("upstream-unreachable", status)
        listens(platform, callee, peer.endpoint)
        assert caller.reasons(send(callee.agent_id), send(callee.agent_id)) == [
            "",
            "budget_exceeded",
        ]
        assert len(platform.audited(caller.agent, 4)) == 4
