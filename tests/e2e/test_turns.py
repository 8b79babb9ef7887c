"""Turns: what a message may use, and that nothing but a message begins another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from amaze_proxy.policy.turn import Turn, mint
from tests.e2e.agents.asks import (
    Ask,
    Caller,
    listens,
    llm,
    new_turn,
    send,
    tool,
    turn_answer,
)
from tests.e2e.agents.peer import Peer
from tests.e2e.agents.started import Started
from tests.e2e.platform import OPENAI, Agent, Platform, chat

TOOLS = "turns-mcp"
USERS = 6
DAY_MS = 24 * 3600 * 1000


@pytest.fixture(scope="module")
def _peer(_platform: Platform) -> Iterator[Peer]:
    peer = Peer()
    url = f"http://127.0.0.1:{peer.port}/mcp"
    answer = _platform.control.post("/mcp_servers", json={"name": TOOLS, "url": url})
    assert answer.status_code == 201, answer.text
    yield peer
    peer.close()
    _platform.control.delete(f"/mcp_servers/{TOOLS}")


@pytest.fixture
def peer(_peer: Peer) -> Iterator[Peer]:
    _peer.clear()
    reply = _peer.reply
    yield _peer
    _peer.reply = reply


@pytest.fixture(scope="module")
def callee(_platform: Platform, _peer: Peer) -> Agent:
    agent = _platform.agent({"name": "callee"}, "callee")
    listens(_platform, agent, _peer.endpoint)
    return agent


@pytest.fixture(scope="module")
def busy(_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """An agent of the SDK."""
    started = Started(_platform, tmp_path_factory.mktemp("busy"), "busy", {})
    yield started.ready()
    started.stop()


def step(ask: Ask) -> dict[str, Any]:
    """The call as an SDK agent makes it."""
    return {"post": ask.url, "body": ask.body, "accept": ask.headers.get("accept", "*/*")}


def policy(callee: Agent, **fields: Any) -> dict[str, Any]:
    return {
        "allowed_llm_providers": ["openai"],
        "allowed_tools": ["echo"],
        "allowed_agents": [callee.agent_id],
        **fields,
    }


LIMITS = {
    "max_tool_calls_per_turn": 1,
    "max_agent_calls_per_turn": 1,
    "max_tokens_per_turn": 30,  # a call of the mock uses 25
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_is_for_each_message(busy: Started, callee: Agent, peer: Peer, limit: str) -> None:
    asks = {
        "max_tool_calls_per_turn": tool(TOOLS, "echo"),
        "max_agent_calls_per_turn": send(callee.agent_id),
        "max_tokens_per_turn": llm(),
    }
    busy.put_policy(**policy(callee, **{limit: LIMITS[limit]}))
    call = step(asks[limit])
    others = [step(ask) for name, ask in asks.items() if name != limit]
    for _ in range(2):
        answered = busy.tell([call, call, *others, call])
        assert answered.reply == ["", "budget_exceeded", "", "", "budget_exceeded"]
        assert [one["denial_reason"] for one in answered.denials] == ["budget_exceeded"] * 2
        assert {one["turn_id"] for one in busy.records(answered.trace_id, 5)} == {answered.turn_id}


def answered_tool() -> Ask:
    """An LLM request that ends with a tool's result, as an agent sends it within its turn."""
    call = {"id": "c1", "type": "function", "function": {"name": "echo", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    return Ask(OPENAI, chat(messages=messages))


@pytest.mark.parametrize(
    ("detection", "after"), [("user_message", ""), ("none", "budget_exceeded")]
)
def test_a_users_message_to_the_model_begins_a_turn_of_an_agent_without_the_sdk(
    platform: Platform, callee: Agent, peer: Peer, detection: str, after: str
) -> None:
    once = policy(callee, max_tool_calls_per_turn=1, turn_detection=detection)
    echo = tool(TOOLS, "echo")
    with Caller(platform, platform.agent(once)) as caller:
        assert caller.reasons(llm(), echo, echo) == ["", "", "budget_exceeded"]
        assert caller.reasons(answered_tool(), send(callee.agent_id), echo) == [
            "",
            "",
            "budget_exceeded",
        ]
        assert caller.reasons(llm("what is new?"), echo, echo) == ["", after, "budget_exceeded"]
        records = platform.audited(caller.agent, 9)
    assert len({one["turn_id"] for one in records}) == (2 if after == "" else 1)
    assert len({one["trace_id"] for one in records}) == (2 if after == "" else 1)


def test_users_of_one_agent_do_not_mix(busy: Started, callee: Agent, peer: Peer) -> None:
    """Each is in the middle of its turn, with all others: counters, positions, traces."""
    graph = {
        "start_step": 1,
        "steps": [
            {"step_id": 1, "call_type": "llm", "callee_id": "openai", "max_loops": 1},
            {"step_id": 2, "call_type": "tool", "callee_id": "echo", "max_loops": 2},
            {"step_id": 3, "call_type": "agent", "callee_id": callee.agent_id, "max_loops": 1},
        ],
    }
    for number, one in enumerate(graph["steps"], 2):  # type: ignore[arg-type]
        one["next_steps"] = [number] if number < 4 else []
    busy.put_policy(**policy(callee, mode="strict", graph=graph, max_tool_calls_per_turn=1))
    together = threading.Barrier(USERS)

    def reply(text: str) -> str:
        together.wait(30)
        return text

    peer.reply = reply

    def user(number: int) -> Any:
        word = f"user-{number}"
        echo = step(tool(TOOLS, "echo", word))
        early = step(send(callee.agent_id, word))
        return busy.tell([early, step(llm(word)), echo, echo, step(send(callee.agent_id, word))])

    with ThreadPoolExecutor(USERS) as pool:
        answers = list(pool.map(user, range(USERS)))
    expected = ["graph_violation", "", "", "budget_exceeded", ""]
    assert [one.reply for one in answers] == [expected] * USERS
    assert len({one.turn_id for one in answers}) == USERS
    for number, answered in enumerate(answers):
        records = busy.records(answered.trace_id, 5)
        assert {one["turn_id"] for one in records} == {answered.turn_id}
        assert [one["denial_reason"] for one in records] == expected
        for record in records:
            said = {n for n in range(USERS) if f"user-{n}" in record["input"]}
            assert said == {number}


@pytest.mark.parametrize("signed", [True, False])
def test_to_register_again_resets_nothing(
    platform: Platform, callee: Agent, peer: Peer, signed: bool
) -> None:
    agent = platform.agent(policy(callee, max_tool_calls_per_turn=1, max_agent_calls_per_turn=1))
    turn = new_turn(platform, agent) if signed else ""
    echo, message = tool(TOOLS, "echo"), send(callee.agent_id)
    with Caller(platform, agent, turn) as caller:
        assert caller.reasons(llm(), echo, message) == ["", "", ""]
        answer = httpx.post(
            f"http://127.0.0.1:{platform.control_port}/register",
            json={"agent_id": agent.agent_id},
            headers={"x-amaze-bearer": agent.credential},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        assert caller.reasons(echo, message) == ["budget_exceeded"] * 2
    fresh = Agent(agent.agent_id, answer.json()["bearer_token"])
    with Caller(platform, fresh, turn) as caller:
        assert caller.reasons(echo, message) == ["budget_exceeded"] * 2


def test_a_turn_that_is_not_the_agents_own_is_refused(
    platform: Platform, callee: Agent, peer: Peer
) -> None:
    agent, other = platform.agent(policy(callee)), platform.agent()
    key = (platform.data_dir / "turn.key").read_bytes()
    good = new_turn(platform, agent)
    head, _, signature = good.rpartition(".")
    old = Turn(agent.agent_id, "t", "ab" * 16, "", int(time.time() * 1000) - DAY_MS - 60_000)
    turns = {
        "forged": f"{head}.{'A' * len(signature)}",
        "of another key": mint(b"k" * 32, old),
        "foreign": new_turn(platform, other),
        "expired": mint(key, old),
        "nonsense": "turn",
        "two": f"{good},{good}",
    }
    for number, (how, turn) in enumerate(turns.items(), 1):
        with Caller(platform, agent, turn) as caller:
            refused = caller(llm())
            assert (how, refused.status, refused.reason) == (how, 403, "invalid-turn")
        assert platform.audited(agent, number)[-1]["denial_reason"] == "invalid-turn"
    with Caller(platform, agent, turns["foreign"]) as caller:
        assert caller.reasons(tool(TOOLS, "echo"), send(callee.agent_id)) == ["invalid-turn"] * 2
    assert peer.seen == []
    assert platform.provider.seen == []
    with Caller(platform, agent, good) as caller:
        assert caller.reasons(llm(), tool(TOOLS, "echo")) == ["", ""]


def test_a_policy_may_take_turns_from_the_gateway_alone(
    platform: Platform, busy: Started, callee: Agent
) -> None:
    agent = platform.agent({"name": "p", "turns": "gateway"})
    refused = turn_answer(platform, agent)
    assert (refused.status_code, "gateway" in refused.text) == (403, True)
    platform.put_policy(agent, {"name": "p"})
    assert turn_answer(platform, agent).status_code == 200
    busy.put_policy(**policy(callee, turns="gateway"))
    assert busy.tell([step(llm())]).reply == [""]
    direct = httpx.post(
        f"http://{busy.endpoints['chat_host']}:{busy.endpoints['chat_port']}/chat",
        json={"message": "[]"},
        trust_env=False,
        timeout=60,
    )
    assert direct.status_code == 403, direct.text
