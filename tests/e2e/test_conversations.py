"""Conversations over several agents: one trace, a turn for each message, an end for each cycle."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from amaze_proxy.policy.turn import Turn, mint
from tests.clients.run import start_server
from tests.e2e.agents.asks import (
    Caller,
    listens,
    llm,
    register_mcp,
    send,
)
from tests.e2e.agents.peer import Peer
from tests.e2e.agents.started import Started
from tests.e2e.platform import Agent, Platform

MCP = "application/json, text/event-stream"


@pytest.fixture(scope="module")
def tools(_platform: Platform) -> Iterator[str]:
    """The name of a fastmcp server."""
    server = start_server("fastmcp2")
    register_mcp(_platform, "conversation-mcp", server.url)
    yield "conversation-mcp"
    server.stop()


@pytest.fixture(scope="module")
def pair(
    _platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Started, Started]]:
    directory = tmp_path_factory.mktemp("agents")
    with ExitStack() as stack:
        first, second = (Started(_platform, directory, name, {}) for name in ("asker", "helper"))
        stack.callback(first.stop)
        stack.callback(second.stop)
        yield first.ready(), second.ready()


@pytest.fixture
def asker(pair: tuple[Started, Started]) -> Started:
    return pair[0]


@pytest.fixture
def helper(pair: tuple[Started, Started]) -> Started:
    pair[1].put_policy(name="helper", allowed_llm_providers=["openai"])
    return pair[1]


@pytest.fixture(scope="module")
def _peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def peer(_peer: Peer, _platform: Platform) -> Iterator[Peer]:
    """It is an MCP server too: `plain-mcp`."""
    _peer.clear()
    url = f"http://127.0.0.1:{_peer.port}/mcp"
    _platform.control.post("/register?kind=mcp", json={"name": "plain-mcp", "url": url})
    reply = _peer.reply
    yield _peer
    _peer.reply = reply


def test_one_conversation_is_one_trace(asker: Started, helper: Started, tools: str) -> None:
    asker.put_policy(
        allowed_llm_providers=["openai"], allowed_tools=["add"], allowed_agents=[helper.agent_id]
    )
    answered = asker.tell(
        [
            {"llm": "what is 1 + 2?"},
            {"tool": "add", "at": f"http://{tools}/mcp", "arguments": {"a": 1, "b": 2}},
            {"tool": "secret", "at": f"http://{tools}/mcp", "arguments": {}},
            {"send": helper.agent_id, "message": {"steps": [{"llm": "three?"}]}},
        ]
    )
    said, added, secret, helped = answered.reply
    assert (said, added) == ("", "3")
    assert "tool-not-allowed" in secret
    assert helped == {"caller": asker.agent_id, "outcomes": [""]}
    assert [one["tool"] for one in answered.denials] == ["secret"]
    mine = asker.records(answered.trace_id, 5)
    assert {one["turn_id"] for one in mine} == {answered.turn_id}
    calls = [(one["kind"], one["tool"]) for one in mine if one["kind"] != "mcp" or one["tool"]]
    assert calls == [("llm", ""), ("mcp", "add"), ("mcp", "secret"), ("a2a", "")]
    (theirs,) = helper.records(answered.trace_id, 1)
    assert (theirs["kind"], theirs["model"]) == ("llm", "gpt-4.1-mini")
    assert theirs["turn_id"] not in ("", answered.turn_id)
    assert not theirs["turn_id"].startswith("ambient")
    hop = next(one for one in mine if one["kind"] == "a2a")
    assert theirs["parent_span_id"] == hop["span_id"]


VALUES = ["text", "", {"a": [1, None, True]}, [1, "two", {"3": 4.5}], 7, 0.5, False, None]


@pytest.mark.parametrize("way", ["async", "sync", "thread"])
def test_any_value_goes_there_and_back(asker: Started, helper: Started, way: str) -> None:
    asker.put_policy(allowed_agents=[helper.agent_id])
    steps = [{"send": helper.agent_id, "message": value, "way": way} for value in VALUES]
    answered = asker.tell(steps)
    expected = ["" if value is None else value for value in VALUES]
    assert answered.reply == expected
    assert {one["turn_id"] for one in asker.records(answered.trace_id, len(VALUES))} == {
        answered.turn_id
    }


def test_a_refused_message_says_what_to_do(asker: Started, helper: Started) -> None:
    asker.put_policy(name="alone", allowed_agents=["somebody-else"])
    step = {"send": helper.agent_id, "message": "hello"}
    (refused,) = asker.tell([step]).reply
    assert (refused["status"], refused["reason"]) == (403, "not-allowed")
    assert f"'{helper.agent_id}' is not in allowed_agents of policy 'alone'" in refused["text"]
    assert "allowed are somebody-else, or have an operator add it" in refused["text"]
    asker.put_policy(allowed_agents=[helper.agent_id])
    helper.put_policy(allowed_callers=["somebody-else"])
    (refused,) = asker.tell([step]).reply
    assert "does not take calls from" in refused["text"]
    assert "have the callee's operator add it" in refused["text"]


def forged(helper: Started, asker: Started, turn: str) -> dict[str, dict[str, str]]:
    now = int(time.time() * 1000)
    named = {"X-Amaze-Caller": asker.agent_id, "X-Amaze-Turn": turn}
    return {
        "without anything": {},
        "without a signature": named,
        "with a wrong signature": {**named, "X-Amaze-Caller-Signature": f"c1.{now}.{'A' * 43}"},
        "with its own turn alone": {"X-Amaze-Turn": turn},
    }


def test_a_call_past_the_proxy_is_refused(
    platform: Platform, asker: Started, helper: Started
) -> None:
    at = helper.endpoints
    now = int(time.time() * 1000)
    key = (platform.data_dir / "turn.key").read_bytes()
    turn = mint(key, Turn(helper.agent_id, "t", "ab" * 16, "", now))
    ask = send(helper.agent_id)
    for how, headers in forged(helper, asker, turn).items():
        answer = httpx.post(
            f"http://{at['a2a_host']}:{at['a2a_port']}/",
            json=ask.body,
            headers={**ask.headers, **headers},
            trust_env=False,
            timeout=60,
        )
        assert "result" not in answer.json(), how
        assert "invalid-caller" in answer.text, how


def test_a_cycle_of_agents_stops_at_the_greatest_depth(asker: Started, helper: Started) -> None:
    asker.put_policy(name="cycle", allowed_agents=[helper.agent_id])
    helper.put_policy(name="cycle", allowed_agents=[asker.agent_id])
    answered = asker.tell({"around": helper.agent_id, "back": asker.agent_id})
    assert (answered.reply["hops"], answered.reply["end"]) == (8, "not-allowed")
    assert "max_agent_depth" in answered.reply["text"]
    records = asker.records(answered.trace_id, 5) + helper.records(answered.trace_id, 4)
    assert len(records) == 9
    assert sum(one["denied"] for one in records) == 1
    assert len({one["turn_id"] for one in records}) == 9
    asker.put_policy(allowed_agents=[helper.agent_id], max_agent_depth=3)
    answered = asker.tell({"around": helper.agent_id, "back": asker.agent_id})
    assert answered.reply["hops"] == 4, "the helper's own hop 4 is within its own depth of 8"


@pytest.fixture
def plain(platform: Platform, peer: Peer) -> Iterator[Agent]:
    """An agent without the SDK that listens where the peer does."""
    agent = platform.agent({"name": "plain"}, "plain")
    listens(platform, agent, peer.endpoint)
    yield agent
    listens(platform, agent, {"a2a_host": None, "a2a_port": None})


def test_a_cycle_over_an_agent_without_the_sdk_stops_too(
    platform: Platform, asker: Started, plain: Agent, peer: Peer
) -> None:
    asker.put_policy(name="cycle", allowed_agents=[plain.agent_id])
    platform.put_policy(
        plain,
        {"name": "p", "allowed_agents": [asker.agent_id], "allowed_llm_providers": ["openai"]},
    )
    onward = {"around": plain.agent_id, "back": asker.agent_id}

    def reply(_: str) -> str:
        """An LLM call, and a message to the asker: through the proxy, and knowing nothing of it."""
        with Caller(platform, plain) as caller:
            assert caller(llm("I was asked something")).reason == ""
            ask = send(asker.agent_id)
            ask.body["params"]["message"]["parts"] = [{"data": onward}]
            answer = caller(ask)
            if answer.reason:
                return json.dumps({"hops": 0, "end": answer.reason})
            (part,) = answer.json["result"]["message"]["parts"]
            return json.dumps({**part["data"], "hops": part["data"]["hops"] + 1})

    peer.reply = reply
    answered = asker.tell(onward)
    assert (answered.reply["hops"], answered.reply["end"]) == (8, "not-allowed")
    mine = asker.records(answered.trace_id, 5)
    theirs = platform.audited(plain, 7)
    assert {one["trace_id"] for one in theirs} == {answered.trace_id}
    assert [one["kind"] for one in theirs].count("llm") == 4
    assert len(mine) + len(theirs) == 13
    # once all is answered, it is in nobody's conversation
    with Caller(platform, plain) as caller:
        assert caller(llm()).reason == ""
    assert platform.audited(plain, 8)[-1]["trace_id"] != answered.trace_id
