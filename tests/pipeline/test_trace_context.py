"""Trace context in and out of a call: the turn's trace is the call's, whatever a client says."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from amaze_proxy.policy.turn import Turn, mint
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store.errors import StoreUnavailable
from tests.pipeline.fakes import AGENT, BEARER, OPENAI, TURN_KEY, WRONG, World, chat, whole
from tests.pipeline.mcp import MCP, POLICY, URL, make, tool

THEIRS, OTHER = TraceContext("1" * 32, "2" * 16), TraceContext("3" * 32, "4" * 16)
TURNS = "a" * 32  # the trace of the turn


@pytest.fixture
async def world() -> World:
    return await make(POLICY)


def turn() -> tuple[bytes, bytes]:
    issued = int(time.time() * 1000)
    return (
        b"x-amaze-turn",
        mint(TURN_KEY, Turn(AGENT, "turn-7", TURNS, "b" * 16, issued)).encode(),
    )


def ours(world: World) -> TraceContext:
    return TraceContext(world.record.trace_id, world.record.span_id)


async def test_what_a_client_tells_is_kept_as_a_link_alone() -> None:
    world = World()
    world.upstreams.reply = whole()
    told = (b"traceparent", THEIRS.traceparent.encode())
    more = ((b"tracestate", b"a=1"), (b"baggage", b"user=jo"))
    await world.call(OPENAI, chat(), headers=(BEARER, turn(), told, *more))
    assert world.spans.told == [(world.record, THEIRS)]
    assert (world.record.trace_id, world.record.parent_span_id) == (TURNS, "b" * 16)
    assert world.sent.header(b"traceparent") == ours(world).traceparent.encode()
    assert world.sent.header(b"tracestate") is None
    assert world.sent.header(b"baggage") is None


async def test_without_a_turn_the_trace_is_ours_too() -> None:
    world = World()
    world.upstreams.reply = whole()
    told = (b"traceparent", THEIRS.traceparent.encode())
    await world.call(OPENAI, chat(), headers=(BEARER, told))
    assert world.record.trace_id not in ("", THEIRS.trace_id)
    assert world.spans.told == [(world.record, THEIRS)]


async def test_a_traceparent_that_is_none_is_not_kept() -> None:
    world = World()
    world.upstreams.reply = whole()
    told = (b"traceparent", THEIRS.traceparent.replace("00-", "01-").encode())
    await world.call(OPENAI, chat(), headers=(BEARER, told))
    assert world.spans.told == [(world.record, None)]


async def test_an_mcp_message_tells_it_before_the_header(world: World) -> None:
    asked = tool("add", a=1)
    asked["params"]["_meta"] = {"traceparent": THEIRS.traceparent, "baggage": "user=jo", "x/y": 1}
    body = json.dumps(asked).encode()
    header = (b"traceparent", OTHER.traceparent.encode())
    digest = (b"content-digest", b"sha-256=:AAAA:")
    answer = await world.call(URL, body, headers=(*MCP, turn(), header, digest))
    assert answer.status == 200
    assert world.spans.told == [(world.record, THEIRS)]
    assert world.record.trace_id == TURNS
    sent = json.loads(world.sent.body)
    assert sent["params"]["_meta"] == {"traceparent": ours(world).traceparent, "x/y": 1}
    assert sent["params"]["arguments"] == {"a": 1}
    assert world.sent.header(b"traceparent") == ours(world).traceparent.encode()
    assert world.sent.header(b"content-digest") is None, "it was that of another body"
    assert world.record.input == body.decode(), "the evidence is of what came"
    assert world.record.input_sha256 == hashlib.sha256(body).hexdigest()


async def test_a_message_without_context_is_sent_byte_for_byte(world: World) -> None:
    body = json.dumps(tool("add", a=1), indent=3).encode()
    await world.call(URL, body, headers=(*MCP, (b"traceparent", OTHER.traceparent.encode())))
    assert world.sent.body == body
    assert world.spans.told == [(world.record, OTHER)]


async def test_what_is_refused_unread_is_in_its_turn_too() -> None:
    world = World()
    answer = await world.call(OPENAI, b"{", headers=(BEARER, turn()))
    assert answer.verdict == (400, "malformed-request")
    assert (world.record.turn_id, world.record.trace_id) == ("turn-7", TURNS)
    assert world.record.parent_span_id == "b" * 16


async def test_a_strangers_refusal_is_in_nobodys_turn() -> None:
    world = World()
    stranger = (b"x-amaze-bearer", WRONG.encode())
    answer = await world.call(OPENAI, b"{", headers=(stranger, turn()))
    assert answer.verdict == (403, "invalid-bearer")
    assert (world.record.turn_id, world.record.trace_id) == ("", "")


async def test_who_leaves_while_it_is_recorded_leaves_a_span() -> None:
    before, world = World(), World()
    for each in (before, world):
        each.upstreams.reply = whole()
    await before.call(OPENAI, chat(), headers=(BEARER, turn()))
    world.leave_at = before.events.index("settle")
    answer = await world.call(OPENAI, chat(), headers=(BEARER, turn()))
    assert answer.status == 0
    assert world.spans.told == [(world.record, None)]


async def test_what_could_not_be_recorded_has_no_span() -> None:
    world = World()
    world.upstreams.reply = whole()
    world.gate.settle_fault = StoreUnavailable("away")
    answer = await world.call(OPENAI, chat(), headers=(BEARER, turn()))
    assert answer.verdict == (503, "redis-unavailable")
    assert world.spans.told == []
