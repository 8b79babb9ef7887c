"""Many calls at once, on two workers: exactly what fits passes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.agents.asks import (
    FORGED,
    Ask,
    Outcome,
    crowd,
    listens,
    llm,
    new_turn,
    send,
    strict,
    tool,
)
from tests.e2e.agents.peer import Peer
from tests.e2e.platform import OPENAI, Agent, Platform, chat, until

TOOLS = "crowd-mcp"
CROWD = 20


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
def peer(_peer: Peer) -> Peer:
    _peer.clear()
    return _peer


@pytest.fixture(scope="module")
def callee(_platform: Platform, _peer: Peer) -> Agent:
    agent = _platform.agent({"name": "callee"}, "callee")
    listens(_platform, agent, _peer.endpoint)
    return agent


def allowed(outcomes: Sequence[Outcome], reason: str) -> int:
    """How many passed; the others were refused for the reason."""
    refused = [one.reason for one in outcomes if one.reason]
    assert set(refused) == {reason}, refused
    return len(outcomes) - len(refused)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("kind", ["tool", "agent", "llm"])
async def test_of_many_at_once_one_gets_the_only_slot(
    platform: Platform, callee: Agent, peer: Peer, kind: str, signed: bool
) -> None:
    asks = {
        "tool": (tool(TOOLS, "search"), "search"),
        "agent": (send(callee.agent_id), callee.agent_id),
        "llm": (Ask(OPENAI, chat(messages=FORGED)), "openai"),
    }
    ask, name = asks[kind]
    agent = platform.agent(strict((kind, name, 1, [])))
    turn = new_turn(platform, agent) if signed else ""
    outcomes = await crowd(platform, agent, [ask] * CROWD, turn)
    assert allowed(outcomes, "edge_loop_exceeded") == 1
    assert len(peer.seen) + len(platform.provider.seen) == 1
    records = platform.audited(agent, CROWD)
    assert [one["denied"] for one in records].count(False) == 1
    assert len({one["turn_id"] for one in records}) == 1


async def test_of_two_first_calls_at_once_one_is_first(
    platform: Platform, callee: Agent, peer: Peer
) -> None:
    """Only the start step may be, and the other one only after it."""
    policy = strict(("tool", "search", 1, [2]), ("agent", callee.agent_id, 1, []))
    agent = platform.agent(policy)
    turn = new_turn(platform, agent)
    both = [tool(TOOLS, "search"), send(callee.agent_id)]
    first, second = await crowd(platform, agent, both, turn)
    assert first.reason == ""
    assert second.reason in ("", "graph_violation")
    assert len(peer.seen) == (2 if second.reason == "" else 1)


PRICE_OF_OUTPUT = 1.6e-6  # dollars for a token of gpt-4.1-mini
FITS = {
    "tokens": ({"max_tokens_per_turn": 3500}, "budget_exceeded"),
    "money": ({"max_cost_usd_per_turn": 3500 * PRICE_OF_OUTPUT}, "budget_exceeded"),
    "window of tokens": (
        {"token_rate_limits": [{"window": "10m", "max_tokens": 3500}]},
        "rate-limit-exceeded",
    ),
    "window of money": (
        {"cost_rate_limits": [{"window": "1h", "max_usd": 3500 * PRICE_OF_OUTPUT}]},
        "rate-limit-exceeded",
    ),
}


@pytest.mark.parametrize("limit", FITS)
async def test_of_many_model_calls_at_once_exactly_those_that_fit_pass(
    platform: Platform, limit: str
) -> None:
    """Each may answer 1,000 tokens: three fit. None is settled before all are decided."""
    fields, reason = FITS[limit]
    agent = platform.agent({"allowed_llm_providers": ["openai"], **fields})
    turn = new_turn(platform, agent)
    ask = llm("hold", max_tokens=1000)
    calls = asyncio.create_task(crowd(platform, agent, [ask] * CROWD, turn))
    await asyncio.to_thread(platform.audited, agent, CROWD - 3)
    platform.provider.release.set()
    assert allowed(await calls, reason) == 3
    assert len(platform.provider.seen) == 3
    records = platform.audited(agent, CROWD)
    assert sum(one["tokens_in"] + one["tokens_out"] for one in records) == 3 * 25


async def test_of_many_agent_calls_at_once_one_fits(
    platform: Platform, callee: Agent, peer: Peer
) -> None:
    policy = {"allowed_agents": [callee.agent_id], "max_agent_calls_per_turn": 1}
    agent = platform.agent(policy)
    outcomes = await crowd(platform, agent, [send(callee.agent_id)] * CROWD)
    assert allowed(outcomes, "budget_exceeded") == 1
    assert len(peer.seen) == 1
    assert len(platform.audited(agent, CROWD)) == CROWD


async def test_of_many_tool_calls_at_once_one_fits(platform: Platform, peer: Peer) -> None:
    agent = platform.agent({"allowed_tools": ["search"], "max_tool_calls_per_turn": 1})
    outcomes = await crowd(platform, agent, [tool(TOOLS, "search")] * CROWD)
    assert allowed(outcomes, "budget_exceeded") == 1
    assert len(peer.seen) == 1
    assert len(platform.audited(agent, CROWD)) == CROWD


def test_both_workers_take_part(platform: Platform, callee: Agent, peer: Peer) -> None:
    """What the tests above say of two workers holds only if there are two."""
    agent = platform.agent(strict(("agent", callee.agent_id, 1, [])))

    def writers() -> set[str]:
        asyncio.run(crowd(platform, agent, [send(callee.agent_id)] * CROWD))
        return {one["writer"] for one in platform.audit(agent.agent_id)}

    assert until(lambda: len(writers()) == 2, "two writers")
    assert [one["denied"] for one in platform.audit(agent.agent_id)].count(False) == 1
