"""Calls from agent to agent on the whole line."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.strangers import Strangers
from amaze_proxy.policy import callers, turn
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.turn import Turn
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.store.agents import AgentStatus
from tests.pipeline.fakes import AGENT, BEARER, JSON, SSE, TURN_KEY, Reply, World

URL = "http://writer/"
CREDENTIAL = "amz_writer.0123456789abcdef"
KEY = hashlib.sha256(CREDENTIAL.encode())
HEADERS = (BEARER, JSON, (b"a2a-version", b"1.0"))
POLICY = {"name": "peers", "allowed_agents": ["writer"], "max_agent_depth": 3}


@pytest.fixture
async def world() -> World:
    return await make(POLICY)


async def make(policy: dict[str, Any]) -> World:
    world = World(policy)
    world.registered.agent("writer", ("10.0.0.5", 9100), credentials=(KEY.hexdigest(),))
    await world.line.directory.refresh()
    world.upstreams.reply = Reply([told({"message": {"messageId": "m", "role": "ROLE_AGENT"}})])
    return world


def told(value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode()


def send(method: str = "SendMessage", **configuration: Any) -> dict[str, Any]:
    message = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    params: dict[str, Any] = {"message": message}
    if configuration:
        params["configuration"] = configuration
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def in_turn(depth: int = 0) -> tuple[bytes, bytes]:
    now = time.time_ns() // 1_000_000
    mine = Turn(AGENT, "turn-1", "ab" * 16, "", now, depth)
    return b"x-amaze-turn", turn.mint(TURN_KEY, mine).encode()


async def test_an_allowed_message_reaches_the_callee_with_its_caller_and_turn(
    world: World,
) -> None:
    answer = await world.call(URL, send(), headers=(*HEADERS, in_turn()))
    assert answer.status == 200
    assert answer.json["result"]["message"]["messageId"] == "m"
    sent = world.sent
    assert str(sent.target.authority) == "http://10.0.0.5:9100"
    headers = dict(sent.headers)
    token = headers[b"x-amaze-turn"].decode()
    hop = turn.verify(TURN_KEY, token)
    assert hop is not None
    assert (hop.agent_id, hop.trace_id, hop.depth) == ("writer", "ab" * 16, 1)
    assert hop.parent_span == world.record.span_id
    assert headers[b"x-amaze-caller"] == AGENT.encode()
    signature = headers[b"x-amaze-caller-signature"].decode()
    assert callers.verify(KEY.digest(), signature, AGENT, "writer", token)
    assert b"x-amaze-bearer" not in headers
    record = world.record
    assert (record.kind, record.target, record.method) == ("a2a", "writer", "SendMessage")
    assert record.trace_id == "ab" * 16
    (asked,) = world.gate.admissions
    assert asked.charge.agent_calls == 1


async def test_a_hop_is_noted_and_ended(world: World) -> None:
    await world.call(URL, send(), headers=(*HEADERS, in_turn(1)))
    (hop,) = world.registered.hops
    assert (hop.callee, hop.depth, hop.trace_id) == ("writer", 2, "ab" * 16)
    assert world.registered.ended == [("writer", world.record.decision_id, True)]


async def test_a_caller_that_is_known_needs_one_round_trip_before_it_is_forwarded(
    world: World,
) -> None:
    await world.call(URL, send(), headers=(*HEADERS, in_turn()))
    del world.events[:]
    await world.call(URL, send(), headers=(*HEADERS, in_turn()))
    before = world.events[: world.events.index("dial")]
    assert sorted(before[before.index("admit") :]) == ["admit", "look"]
    assert len(world.registered.hops) == 2


async def test_a_caller_without_signed_turns_has_one_trace_too(world: World) -> None:
    await world.call(URL, send(), headers=HEADERS)
    await world.call(URL, send(), headers=HEADERS)
    first, second = [one.record for one in world.gate.settlements]
    assert first.trace_id == second.trace_id
    assert {hop.trace_id for hop in world.registered.hops} == {first.trace_id}
    assert len(world.registered.hops) == 2


@pytest.mark.parametrize(
    ("policy", "callee", "reason"),
    [
        ({"name": "none"}, {}, "not-allowed"),
        (POLICY, {"name": "w", "allowed_callers": ["other"]}, "not-allowed"),
    ],
)
async def test_either_side_can_refuse(
    policy: dict[str, Any], callee: dict[str, Any], reason: str
) -> None:
    world = await make(policy)
    world.policies.put(callee, "writer")
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.verdict == (200, reason)
    assert answer.json["error"]["code"] == -32050
    assert world.upstreams.sent == []
    assert world.registered.hops == []


async def test_a_list_of_callers_that_has_just_changed_governs(world: World) -> None:
    await world.call(URL, send(), headers=HEADERS)
    world.policies.put({"allowed_callers": []}, "writer")
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.reason == "not-allowed"
    world.policies.put({"allowed_callers": [AGENT]}, "writer")
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.status == 200
    assert answer.reason == ""
    assert len(world.upstreams.sent) == 2


@pytest.mark.parametrize("status", [AgentStatus.PENDING, AgentStatus.QUARANTINED])
async def test_a_callee_that_may_not_work(world: World, status: AgentStatus) -> None:
    world.registered.agent("writer", ("10.0.0.5", 9100), status)
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.reason == "not-allowed"
    assert status.value in answer.json["error"]["message"]
    assert world.upstreams.sent == []
    assert not world.settlement.charged


async def test_a_callee_without_an_endpoint(world: World) -> None:
    world.registered.agent("writer")
    await world.line.directory.refresh()
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.reason == "upstream-unreachable"
    assert "amaze agents endpoint writer" in answer.json["error"]["message"]


@pytest.mark.parametrize(("depth", "reason"), [(2, ""), (3, "not-allowed")])
async def test_a_chain_of_agents_ends(world: World, depth: int, reason: str) -> None:
    answer = await world.call(URL, send(), headers=(*HEADERS, in_turn(depth)))
    assert answer.reason == reason


async def test_an_agent_card_passes_unchanged(world: World) -> None:
    card = b'{"name": "writer",  "url": "http://10.0.0.5:9100/"}'
    world.upstreams.reply = Reply([card])
    url = "http://writer/.well-known/agent-card.json"
    answer = await world.call(url, method="GET", headers=(BEARER,))
    assert answer.body == card
    assert b"x-amaze-caller" not in dict(world.sent.headers)
    assert not world.gate.admissions[0].charge.agent_calls


async def test_looking_at_a_task_counts_no_call(world: World) -> None:
    body = {"jsonrpc": "2.0", "id": 2, "method": "GetTask", "params": {"id": "t-1"}}
    answer = await world.call(URL, body, headers=HEADERS)
    assert answer.status == 200
    assert world.gate.admissions[0].charge.agent_calls == 0
    assert world.registered.hops == []


async def test_a_webhook_is_a_target_like_any_other(world: World) -> None:
    hook = {"url": "https://evil.example/hook"}
    answer = await world.call(URL, send(taskPushNotificationConfig=hook), headers=HEADERS)
    assert answer.reason == "host-not-allowed"
    assert world.upstreams.sent == []


async def test_rest(world: World) -> None:
    world.upstreams.reply = Reply([b'{"message": {}}'])
    body = send()["params"]
    answer = await world.call("http://writer/message:send", body, headers=HEADERS)
    assert answer.status == 200
    assert world.sent.raw_path == b"/message:send"
    world.policies.put({"name": "none"})
    answer = await world.call("http://writer/message:send", body, headers=HEADERS)
    assert answer.verdict == (403, "not-allowed")
    assert answer.json["error"]["status"] == "PERMISSION_DENIED"


async def test_a_stream_passes_as_it_comes(world: World) -> None:
    last = {"statusUpdate": {"status": {"state": "TASK_STATE_COMPLETED"}, "final": True}}
    parts = [b"data: " + told({"task": {"id": "t"}}) + b"\n\n", b"data: " + told(last) + b"\n\n"]
    world.upstreams.reply = Reply(parts, headers=[SSE])
    answer = await world.call(URL, send("SendStreamingMessage"), headers=HEADERS)
    assert answer.body == b"".join(parts)
    assert answer.complete


async def test_an_error_of_the_callee_burns_no_step(world: World) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no task"}}
    world.upstreams.reply = Reply([json.dumps(error).encode()])
    answer = await world.call(URL, send(), headers=HEADERS)
    assert answer.json["error"]["code"] == -32001
    assert not world.settlement.burn_step


async def test_an_agent_that_nobody_registered(world: World) -> None:
    body = json.dumps(send()).encode()
    headers = (*HEADERS, (b"content-length", b"%d" % len(body)))
    answer = await world.call("http://stranger.example/", body, headers=headers)
    assert answer.verdict == (200, "not-allowed")
    assert answer.json["error"]["code"] == -32050
    assert world.upstreams.sent == []


@pytest.mark.parametrize("path", ["health", "v1/unknown", ".well-known/other.json"])
async def test_other_paths_of_an_agent_are_refused(world: World, path: str) -> None:
    answer = await world.call(f"http://writer/{path}", method="GET", headers=HEADERS)
    assert answer.reason in ("not-allowed", "malformed-request")
    assert world.upstreams.sent == []


CARD = {"name": "writer", "url": "http://localhost:9999/a2a"}


async def test_an_address_that_a_card_names_is_the_agent_where_it_is_registered(
    world: World,
) -> None:
    world.upstreams.reply = Reply([json.dumps(CARD).encode()])
    await world.call("http://writer/.well-known/agent-card.json", method="GET", headers=(BEARER,))
    world.upstreams.reply = Reply([told({})])
    body = json.dumps(send()).encode()
    headers = (*HEADERS, (b"content-length", b"%d" % len(body)))
    answer = await world.call("http://localhost:9999/a2a", body, headers=headers)
    assert answer.status == 200
    sent = world.upstreams.sent[-1]
    assert (str(sent.target.authority), sent.raw_path) == ("http://10.0.0.5:9100", b"/a2a")
    assert world.gate.settlements[-1].record.target == "writer"


async def test_a_card_takes_no_address_that_another_card_names_or_that_is_allowed(
    world: World,
) -> None:
    world.policies.put({**POLICY, "allowed_hosts": ["files.example"]})
    world.registered.agent("eve", ("10.0.0.6", 9100))
    await world.registered.claim("writer", ["localhost:9999", "files.example:80"])
    await world.registered.claim("eve", ["localhost:9999"])
    answer = await world.call("http://localhost:9999/", send(), headers=HEADERS)
    assert answer.reason == "host-not-allowed"
    answer = await world.call("http://files.example/", method="GET", headers=(BEARER,))
    assert answer.status == 200
    assert str(world.sent.target.authority) == "http://files.example"


async def test_a_hop_ends_also_where_the_record_is_only_counted(world: World) -> None:
    await world.call(URL, send(), headers=(*HEADERS, in_turn()))
    world.line = replace(world.line, strangers=Strangers(burst=0, per_second=0))
    world.app = create_app(world.line, world._health)
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    answer = await world.call(URL, send(), headers=(*HEADERS, in_turn()))
    assert answer.reason == "invalid-bearer"
    assert len(world.gate.settlements) == 1
    assert len(world.registered.hops) == len(world.registered.ended) == 2
