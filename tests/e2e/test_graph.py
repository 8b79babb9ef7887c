"""Strict graphs, end to end: order, choices, loops, errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.agents.asks import (
    FORGED,
    Ask,
    Caller,
    Outcome,
    listens,
    llm,
    new_turn,
    send,
    strict,
    tool,
)
from tests.e2e.agents.peer import Peer
from tests.e2e.platform import OPENAI, Agent, Platform, chat

TOOLS = "graph-mcp"


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


def in_turn(platform: Platform, policy: dict[str, Any]) -> Caller:
    agent = platform.agent(policy)
    return Caller(platform, agent, new_turn(platform, agent))


def test_a_graph_of_all_three_types_of_call(platform: Platform, callee: Agent, peer: Peer) -> None:
    name = callee.agent_id
    policy = strict(
        ("tool", "search", 2, [2, 3]),
        ("agent", name, 1, [3]),
        ("llm", "openai/gpt-4.1-mini", 1, []),
    )
    search, ask = tool(TOOLS, "search"), send(name)
    with in_turn(platform, policy) as caller:
        for early in (ask, llm()):
            refused = caller(early)
            assert refused.reason == "graph_violation"
            assert "tool search (step 1)" in refused.text
        other = caller(tool(TOOLS, "other"))
        assert (other.reason, "no step of the execution graph" in other.text) == (
            "graph_violation",
            True,
        )
        assert caller(llm(model="gpt-5.5")).reason == "graph_violation"
        assert caller.reasons(search, search, search) == ["", "", "edge_loop_exceeded"]
        assert caller.reasons(ask, search) == ["", "graph_violation"]
        assert caller.reasons(ask, llm()) == ["edge_loop_exceeded", ""]
        over = caller(llm())
        assert (over.status, over.reason) == (429, "edge_loop_exceeded")
        assert "has run as often as it may in this turn" in over.text
        end = caller(search)
        assert end.reason == "graph_violation"
        assert "the graph ends here" in end.text
        records = platform.audited(caller.agent, 13)
    assert [one["denial_reason"] for one in records].count("") == 4
    assert [got.text for got in peer.seen] == ["hi"] * 3
    assert len(platform.provider.seen) == 1


def test_one_of_several_next_steps(platform: Platform, callee: Agent, peer: Peer) -> None:
    """`next_steps` is a choice, and the graph goes on from what was chosen."""
    name = callee.agent_id
    policy = strict(
        ("llm", "openai", 0, [2, 3]),
        ("tool", "search", 1, [3]),
        ("agent", name, 1, [1]),
    )
    search, ask = tool(TOOLS, "search"), send(name)
    with in_turn(platform, policy) as caller:
        assert caller.reasons(llm(), llm(), ask) == ["", "", ""]
        assert caller.reasons(search, llm(), search, ask) == [
            "graph_violation",
            "",
            "",
            "edge_loop_exceeded",
        ]


@pytest.mark.parametrize("signed", [True, False])
def test_a_forged_tool_result_changes_nothing(
    platform: Platform, callee: Agent, peer: Peer, signed: bool
) -> None:
    """What a request says was called before is no call."""
    policy = strict(("tool", "search", 1, [2]), ("llm", "openai", 1, []))
    agent = platform.agent(policy)
    with Caller(platform, agent, new_turn(platform, agent) if signed else "") as caller:
        forged = Ask(OPENAI, chat(messages=FORGED))
        search = tool(TOOLS, "search")
        assert caller.reasons(forged, forged) == ["graph_violation"] * 2
        assert platform.provider.seen == []
        assert caller.reasons(search, forged, search, forged) == [
            "",
            "",
            "graph_violation",
            "edge_loop_exceeded",
        ]


def test_on_violation_allow_passes_with_an_alert(
    platform: Platform, callee: Agent, peer: Peer
) -> None:
    policy = strict(
        ("tool", "search", 1, [2]),
        ("llm", "openai", 1, [3]),
        ("agent", callee.agent_id, 1, []),
        on_violation="allow",
    )
    search = tool(TOOLS, "search")
    with in_turn(platform, policy) as caller:
        assert caller.reasons(llm(), send(callee.agent_id), search, search) == [""] * 4
        assert caller.reasons(llm(), send(callee.agent_id)) == [""] * 2
        records = platform.audited(caller.agent, 6)
    early = ["graph_violation", "graph_violation", "", "edge_loop_exceeded"]
    assert [one["alert"] for one in records] == [*early, "", ""]
    assert not any(one["denied"] for one in records)
    assert len(peer.seen) == 4


@pytest.mark.parametrize("kind", ["tool", "agent", "llm"])
def test_an_error_of_the_target_burns_no_slot(
    platform: Platform, callee: Agent, peer: Peer, kind: str
) -> None:
    faults = {
        "tool": [tool(TOOLS, "search", word) for word in ("error500", "redirect", "rpc-error")],
        "agent": [send(callee.agent_id, word) for word in ("error500", "redirect", "rpc-error")],
        "llm": [llm("error500"), llm("break", stream=True)],
    }
    good = {"tool": tool(TOOLS, "search"), "agent": send(callee.agent_id), "llm": llm()}
    names = {"tool": "search", "agent": callee.agent_id, "llm": "openai"}
    following = {"tool": llm(), "agent": llm(), "llm": tool(TOOLS, "next")}
    after = ("tool", "next", 1, []) if kind == "llm" else ("llm", "openai", 1, [])
    with in_turn(platform, strict((kind, names[kind], 1, [2]), after)) as caller:
        for fault in faults[kind]:
            assert "edge_loop" not in outcome_of(caller, fault).reason
            assert caller(following[kind]).reason == "graph_violation", fault
        assert caller.reasons(good[kind], good[kind]) == ["", "edge_loop_exceeded"]
        assert caller(following[kind]).reason == ""


def outcome_of(caller: Caller, ask: Ask) -> Outcome:
    """Of a call whose answer may be cut off."""
    try:
        return caller(ask)
    except httpx.RemoteProtocolError as error:
        return Outcome("", 200, str(error))
