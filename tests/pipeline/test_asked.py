"""What a server asked of the client and may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amaze_proxy.pipeline import asked
from amaze_proxy.pipeline.asked import post
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.directory import ServerPlace
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.mcp_calls import classify_bare
from amaze_proxy.policy.request import CallKind, DiscoveryCall
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.upstream import BrokenResponse, Unreachable
from tests.pipeline.fakes import SSE, Reply, World, make_scope
from tests.pipeline.mcp import MCP, POLICY, URL, event, make, result, tool

SAMPLING = {"jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage", "params": {}}


@pytest.fixture
async def world() -> World:
    return await make()


def asks(*messages: Any) -> Reply:
    parts = [event(json.dumps(one).encode()) for one in messages]
    return Reply([*parts, event(result({"content": []}))], headers=[SSE])


async def test_the_server_is_told_and_it_is_recorded_in_the_calls_turn(world: World) -> None:
    world.upstreams.reply = asks(SAMPLING)
    answered = await world.call(URL, tool("add", a=1), headers=(*MCP, (b"mcp-session-id", b"7")))
    assert answered.complete
    told = world.upstreams.sent[1]
    assert (told.json["id"], told.json["error"]["code"]) == (9, -31403)
    assert told.header(b"mcp-session-id") == b"7"
    assert told.header(b"content-type") == b"application/json"
    assert told.raw_path == b"/mcp"
    refused, call = world.gate.settlements
    assert not refused.charged
    assert (refused.record.caller, refused.record.denial_reason) == ("demo", "mcp-not-allowed")
    assert refused.record.output == told.body.decode()
    same = ("agent_id", "trace_id", "turn_id", "session_id", "policy_version", "target")
    for name in same:
        assert getattr(refused.record, name) == getattr(call.record, name)
    assert refused.decision_id != call.decision_id
    assert all(response.closed for response in world.upstreams.responses)


async def test_on_the_first_transport_it_is_told_where_the_server_takes_messages(
    world: World,
) -> None:
    world.registered.server("demo", "http://127.0.0.1:9000/sse")
    await world.line.directory.refresh()
    opened = b"event: endpoint\ndata: /messages/?session_id=7\n\n"
    asked = event(json.dumps(SAMPLING).encode())
    world.upstreams.reply = Reply([opened, asked], headers=[SSE])
    await world.call("http://demo/sse", method="GET", headers=MCP)
    told = world.upstreams.sent[1]
    assert (told.method, told.raw_path) == ("POST", b"/messages/?session_id=7")
    assert told.json["id"] == 9


async def test_what_is_allowed_goes_to_the_client() -> None:
    world = await make({**POLICY, "allow_sampling": True})
    world.upstreams.reply = asks(SAMPLING)
    answered = await world.call(URL, tool("add", a=1), headers=MCP)
    assert b"sampling/createMessage" in answered.body
    assert len(world.upstreams.sent) == len(world.gate.settlements) == 1


async def test_what_was_asked_inside_a_result_is_recorded_and_not_answered(world: World) -> None:
    inside = {"inputRequests": {"a": {"method": "elicitation/create", "params": {}}}}
    world.upstreams.reply = Reply([result(inside)])
    answered = await world.call(URL, tool("add", a=1), headers=MCP)
    assert answered.json["result"]["isError"] is True
    assert len(world.upstreams.sent) == 1
    assert [one.record.method for one in world.gate.settlements] == [
        "elicitation/create",
        "tools/call",
    ]


@pytest.mark.parametrize(
    ("reply", "taken"),
    [
        (Reply([], status=202), True),
        (Reply([b"x"], status=404), False),
        (Reply([b"x"], fault=BrokenResponse("reset")), True),
        (Reply(fault=Unreachable("refused"), dial=True), False),
    ],
)
async def test_whether_the_server_took_it(world: World, reply: Reply, taken: bool) -> None:
    assert await posted(world, reply) is taken
    assert all(response.closed for response in world.upstreams.responses)


async def test_a_server_that_does_not_end_its_answer_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "_TAKEN_S", 0)
    assert await posted(world, Reply([b"x"], status=202, hang=True))
    assert world.upstreams.responses[0].closed


async def test_a_call_that_goes_to_no_registered_place_leads_to_none(world: World) -> None:
    call = Call(CallKind.MCP, DiscoveryCall("demo", "ping"), "demo")
    evidence = Evidence(Capture(10), Capture(10))
    assert not await post(world.line, make_scope(URL, "POST", MCP), evidence, call, b"{}")
    assert world.upstreams.sent == []


async def posted(world: World, reply: Reply) -> bool:
    world.upstreams.reply = reply
    head = Head(Authority("http", "demo", 80), "GET", "/mcp", {})
    call = classify_bare(ServerPlace(world.registered.servers["demo"], "/mcp"), head)
    evidence = Evidence(Capture(10), Capture(10), trace_id="ab" * 16)
    return await post(world.line, make_scope(URL, "POST", MCP), evidence, call, b"{}")
