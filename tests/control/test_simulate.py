"""What a simulation says of calls is what the pipeline says of the same calls."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amaze_proxy.control.recorded import Reader
from amaze_proxy.control.simulate import Simulation, Simulator, Sum
from amaze_proxy.history.archive import StreamRecord
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.policy.model import canonical_json, parse_policy
from amaze_proxy.policy.model import sha256 as hash_of
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal
from amaze_proxy.policy.turn import Turn, mint
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.store.agents import Agent, AgentStatus
from amaze_proxy.store.store import open_store
from tests.control.conftest import PATIENCE_S
from tests.pipeline import mcp
from tests.pipeline.fakes import (
    AGENT,
    BEARER,
    JSON,
    OPENAI,
    SHA256,
    TURN_KEY,
    WEB,
    Reply,
    World,
    chat,
    whole,
)

READER = Reader(PriceBook(), {}, {})
OPEN = {
    "name": "open",
    "allowed_llm_providers": ["openai"],
    "allowed_tools": ["add", "demo/echo", "rm"],
    "allowed_provider_tools": ["*"],
    "allowed_hosts": ["files.example.com"],
    "allowed_resources": ["demo/*"],
}


@dataclass(frozen=True)
class Asked:
    """A call of a turn."""

    what: str
    turn: int = 1
    value: int = 1


async def ask(world: World, one: Asked):
    issued = time.time_ns() // 1_000_000
    token = mint(TURN_KEY, Turn(AGENT, f"t{one.turn}", f"{one.turn:032x}", "", issued))
    headers = (*mcp.MCP, (b"x-amaze-turn", token.encode()))
    match one.what:
        case "llm":
            world.upstreams.reply = whole()
            body = chat(max_tokens=one.value * 100)
            return await world.call(OPENAI, body, headers=(BEARER, JSON, headers[-1]))
        case "search":
            world.upstreams.reply = whole()
            body = chat(web_search_options={})
            return await world.call(OPENAI, body, headers=(BEARER, JSON, headers[-1]))
        case "web":
            world.upstreams.reply = whole()
            return await world.call(WEB, method="GET", headers=(BEARER, headers[-1]))
        case "resource":
            body = mcp.rpc("resources/read", {"uri": f"file:///{one.value}"})
        case "list":
            body = mcp.rpc("tools/list")
        case name:
            body = mcp.tool(name, a=one.value)
    world.upstreams.reply = Reply([mcp.result({"content": [], "tools": []})])
    return await world.call(mcp.URL, body, headers=headers)


async def records_of(url, policy, calls):
    """What the pipeline recorded, with a real store, under the policy."""
    store = await open_store(url, timeout=PATIENCE_S)
    try:
        await store.client.flushall()
        await store.agents.create(Agent(AGENT, AgentStatus.APPROVED, session_id="s"), SHA256)
        loaded = parse_policy(policy)
        await store.policies.publish(AGENT, 1, hash_of(loaded), canonical_json(loaded))
        world = await mcp.make()
        world.line = replace(world.line, gate=store.gate, policies=PolicyCache(store.policies))
        world.rule()
        demo = world.registered.servers["demo"]
        pins = {"add": "a" * 64, "rm": "b" * 64}  # echo is new, and rm was seen as another one
        world.registered.servers["demo"] = replace(demo, pins=pins, seen={"rm": "c" * 64})
        world.registered.number += 1
        await world.line.directory.refresh()
        for one in calls:
            await ask(world, one)
        found = await store.audit.newest(AGENT, 1000)
        return [entry.record for entry in reversed(found)]
    finally:
        await store.close()


def simulate(records, draft, past):
    outcome = Simulation(0)
    Simulator(parse_policy(draft), {1: parse_policy(past)}, READER, outcome).feed(records)
    return outcome


CALLS = st.lists(
    st.builds(
        Asked,
        what=st.sampled_from(["llm", "search", "web", "resource", "list", "add", "echo", "rm"]),
        turn=st.integers(1, 2),
        value=st.integers(1, 3),
    ),
    min_size=1,
    max_size=10,
)
STEPS = [
    {"step_id": 1, "call_type": "tool", "callee_id": "add", "max_loops": 2, "next_steps": [2]},
    {"step_id": 2, "call_type": "llm", "callee_id": "openai", "next_steps": [1, 3]},
    {"step_id": 3, "call_type": "tool", "callee_id": "demo/echo"},
]
DRAFTS = st.fixed_dictionaries(
    {},
    optional={
        "allowed_llm_providers": st.sampled_from([["openai"], ["anthropic"]]),
        "allowed_models": st.sampled_from([["openai/gpt-4.1*"], ["openai/o*"]]),
        "allowed_provider_tools": st.just(["*"]),
        "allowed_tools": st.lists(st.sampled_from(["add", "demo/echo", "rm"]), unique=True),
        "allowed_resources": st.sampled_from([["demo/file:///1"], ["demo/*"]]),
        "allowed_hosts": st.just(["files.example.com"]),
        "tool_rules": st.just({"add": {"a": {"one_of": [1, 2]}}}),
        "max_tokens_per_turn": st.sampled_from([100, 300, 400, 1000]),
        "max_cost_usd_per_turn": st.sampled_from([0.0001, 0.0005, 0.001]),
        "max_tool_calls_per_turn": st.integers(1, 3),
        "token_rate_limits": st.sampled_from([[{"window": "1h", "max_tokens": 450}]]),
        "cost_rate_limits": st.sampled_from([[{"window": "1d", "max_usd": 0.0005}]]),
        "hard_budgets": st.booleans(),
        "on_budget_exceeded": st.sampled_from(["block", "allow"]),
        "on_violation": st.sampled_from(["block", "allow"]),
        "on_tool_change": st.sampled_from(["alert", "deny"]),
        "enforcement": st.sampled_from(["enforce", "shadow"]),
        "graph": st.just({"start_step": 1, "steps": STEPS}),
    },
).map(lambda draft: {**draft, "mode": "strict" if "graph" in draft else "flexible"})


@given(calls=CALLS, draft=DRAFTS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_simulated_verdicts_are_those_of_the_pipeline(valkey, calls, draft) -> None:
    given_all = asyncio.run(records_of(valkey.url, OPEN, calls))
    assert not any(record.denied for record in given_all)
    real = asyncio.run(records_of(valkey.url, draft, calls))
    outcome = simulate(given_all, draft, OPEN)
    assert outcome.undecidable == {}
    becomes = {flip.decision_id: flip.becomes for flip in outcome.flips}
    said = [becomes.get(record.decision_id, "") for record in given_all]
    assert said == [record.denial_reason for record in real]
    # and under its own policy nothing is judged otherwise, nor left open
    again = simulate(real, draft, draft)
    assert (again.flips, again.undecidable, again.unchanged) == ([], {}, len(calls))


def record(**given):
    """A tool call that was recorded."""
    body = json.dumps(mcp.tool("add", a=1))
    defaults = {
        "decision_id": "d1",
        "ts": 1000,
        "agent_id": AGENT,
        "kind": "mcp",
        "target": "demo",
        "tool": "add",
        "method": "tools/call",
        "input": body,
        "input_size": len(body),
        "input_sha256": hashlib.sha256(body.encode()).hexdigest(),
        "policy_version": 1,
    }
    return AuditRecord(**{**defaults, **given})


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"input": '{"jsonrpc": "2.0", "id'}, "not recorded whole"),
        ({"input": "", "input_size": 0}, "not understood"),
        ({"input": "[]", "input_size": 0}, "not understood"),
        ({"kind": "llm", "provider": "openai", "method": "POST", "path": "/x"}, "not understood"),
        (
            {
                "kind": "llm",
                "provider": "openai",
                "method": "POST",
                "path": "/v1/chat/completions",
            },
            "not understood",
        ),
        ({"kind": "a2a", "input": "{"}, "not recorded whole"),
        (
            {"kind": "a2a", "input": '{"pushNotificationConfig": 1}', "input_size": 0},
            "address for notifications",
        ),
        ({"kind": "unknown"}, "not known"),
        ({"denied": True, "denial_reason": "tool-not-allowed"}, "cannot be retraced"),
    ],
)
def test_what_cannot_be_decided_is_said_to_be(given, why) -> None:
    outcome = simulate([record(**given)], OPEN, OPEN)
    ((said, calls),) = outcome.undecidable.items()
    assert why in said
    assert (calls, outcome.calls, outcome.flips) == (1, 1, [])


def test_what_no_policy_decides_stays_and_acts_of_people_are_no_calls() -> None:
    refused = record(denied=True, denial_reason="invalid-bearer", kind="unknown")
    outcome = simulate([refused, record(kind="admin")], {}, OPEN)
    assert (outcome.calls, outcome.unchanged, outcome.flips) == (1, 1, [])


def test_a_call_that_would_pass_is_counted_with_what_it_would_reserve() -> None:
    body = json.dumps(chat(max_tokens=50))
    asked = {
        "kind": "llm",
        "provider": "openai",
        "target": "api.openai.com",
        "tool": "",
        "model": "gpt-4.1-mini",
        "method": "POST",
        "path": "/v1/chat/completions",
        "input": body,
        "input_size": len(body),
        "input_sha256": hashlib.sha256(body.encode()).hexdigest(),
        "denied": True,
        "denial_reason": "llm-not-allowed",
    }
    outcome = simulate([record(**asked)], OPEN, {})
    (flip,) = outcome.flips
    assert (flip.was, flip.becomes, flip.model) == ("llm-not-allowed", "", "gpt-4.1-mini")
    assert flip.tokens > 50
    assert flip.cost_microusd > 0
    assert outcome.now_allowed == Sum(1, flip.tokens, flip.cost_microusd)
    assert outcome.now_denied == Sum()


@pytest.mark.parametrize(
    ("method", "draft", "becomes"),
    [
        ("message/send", {"allowed_agents": ["demo"]}, ""),
        ("message/send", {"allowed_agents": []}, "not-allowed"),
        ("POST /v1/message:send", {"allowed_agents": ["demo"]}, ""),
        ("tasks/get", {"allowed_agents": []}, "not-allowed"),
        ("GET /.well-known/agent-card.json", {"allowed_agents": ["demo"]}, ""),
    ],
)
def test_calls_of_agents(method, draft, becomes) -> None:
    past = {"allowed_agents": ["demo"]}
    call = record(kind="a2a", tool="", method=method, input="", input_size=0)
    outcome = simulate([call], draft, past)
    assert [flip.becomes for flip in outcome.flips] == ([becomes] if becomes else [])
    assert outcome.unchanged == (0 if becomes else 1)


def test_agent_calls_are_counted_and_the_callee_has_its_say() -> None:
    calls = [
        record(kind="a2a", decision_id=f"d{n}", method="message/send", input="", input_size=0)
        for n in range(3)
    ]
    past = {"allowed_agents": ["demo"]}
    outcome = simulate(calls, {**past, "max_agent_calls_per_turn": 2}, past)
    assert [flip.decision_id for flip in outcome.flips] == ["d2"]
    reader = replace(READER, callers={"demo": frozenset(("other",))})
    found = Simulation(0)
    Simulator(parse_policy(past), {1: parse_policy(past)}, reader, found).feed(calls[:1])
    assert sum(found.undecidable.values()) == 1


def test_what_is_used_comes_back_when_its_call_has_ended_and_leaves_its_window() -> None:
    body = json.dumps(chat(max_tokens=500))

    def call(ts, **given):
        return record(
            decision_id=str(ts),
            ts=ts,
            kind="llm",
            provider="openai",
            model="gpt-4.1-mini",
            tool="",
            method="POST",
            path="/v1/chat/completions",
            input=body,
            input_size=len(body),
            input_sha256=hashlib.sha256(body.encode()).hexdigest(),
            tokens_in=20,
            tokens_out=10,
            latency_ms=1000.0,
            **given,
        )

    draft = {**OPEN, "token_rate_limits": [{"window": "1m", "max_tokens": 560}]}
    start = 1_900_000_000_000
    # the second while the first still holds its 500, the third when it used but 30, the fourth
    # beside the third, the last when all have left the window
    times = (start, start + 500, start + 1500, start + 1600, start + 120_000)
    outcome = simulate([call(ts) for ts in times], draft, OPEN)
    assert [flip.ts - start for flip in outcome.flips] == [500, 1600]
    assert {flip.becomes for flip in outcome.flips} == {"rate-limit-exceeded"}


async def archived(control, count: int) -> None:
    start = control.clock.now - 1000
    calls = [
        seal(record(decision_id=f"d{n}", ts=start + n // 2, turn_id="t"), "w", n + 1, GENESIS)
        for n in range(count)
    ]
    items = [StreamRecord(f"{start}-{n}", one) for n, one in enumerate(calls)]
    await control.history.archive.append(AGENT, items)


async def test_a_draft_is_judged_on_what_is_archived(control, monkeypatch) -> None:
    await control.ask("PUT", f"/policy/{AGENT}", json=OPEN)
    await archived(control, 250)
    path = f"/policy/{AGENT}/simulate"
    answer = (await control.ask("POST", path, json={"allowed_tools": ["rm"]})).json()
    assert (answer["calls"], answer["unchanged"], answer["cut"]) == (250, 0, False)
    assert answer["now_denied"] == {"calls": 250, "tokens": 0, "cost_microusd": 0}
    assert len(answer["flips"]) == 200
    assert (answer["flips"][0]["decision_id"], answer["flips"][0]["becomes"]) == (
        "d0",
        "tool-not-allowed",
    )
    few = (await control.ask("POST", path, json={**OPEN, "max_tool_calls_per_turn": 245})).json()
    assert [flip["decision_id"] for flip in few["flips"]] == [f"d{n}" for n in range(245, 250)]
    control.clock.now += 2 * 3_600_000
    assert (await control.ask("POST", f"{path}?hours=1", json=OPEN)).json()["calls"] == 0
    monkeypatch.setattr("amaze_proxy.control.simulate.MOST_CALLS", 10)
    cut = (await control.ask("POST", path, json=OPEN)).json()
    assert (cut["calls"], cut["cut"], cut["unchanged"]) == (10, True, 10)


async def test_versions_that_are_not_there_and_callees_are_looked_up(control) -> None:
    await control.ask("PUT", "/policy/demo", json={"allowed_callers": []})
    call = record(kind="a2a", method="message/send", input="", input_size=0, policy_version=7)
    sealed = seal(replace(call, denied=True, denial_reason="policy-not-found"), "w", 1, GENESIS)
    await control.history.archive.append(AGENT, [StreamRecord("1-1", sealed)])
    control.clock.now = 2000
    path = f"/policy/{AGENT}/simulate"
    answer = (await control.ask("POST", path, json={"allowed_agents": ["demo"]})).json()
    assert (answer["unchanged"], answer["undecidable"]) == (1, []), answer


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [("hours=0", "{}", 422), ("hours=9999", "{}", 422), ("", "x: 1", 422), ("", "", 422)],
)
async def test_what_cannot_be_simulated_is_refused(control, query, body, status) -> None:
    answer = await control.ask("POST", f"/policy/{AGENT}/simulate?{query}", content=body)
    assert answer.status_code == status
