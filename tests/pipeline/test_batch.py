"""A batch: every message by itself, and one answer to all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.wire.upstream import BrokenResponse
from tests.pipeline.fakes import BEARER, JSON, SSE, Answered, Reply, World, silent
from tests.pipeline.mcp import MCP, POLICY, URL, event, make, result, rpc, tool

VERSION = (b"mcp-protocol-version", b"2025-03-26")
WHOLE = (BEARER, JSON, VERSION)
EVENTS = (*MCP, VERSION)


@pytest.fixture
async def world() -> World:
    return await make(POLICY)


async def batch(world: World, *messages: dict[str, Any], events: bool = False) -> Answered:
    body = json.dumps(list(messages)).encode()
    return await world.call(URL, body, headers=EVENTS if events else WHOLE)


def data(answered: Answered) -> list[Any]:
    lines = answered.body.decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def note() -> dict[str, Any]:
    found = rpc("notifications/initialized")
    del found["id"]
    return found


def answer_by_id(world: World, reply: Callable[[Any], Reply]) -> None:
    """Every message is answered by what `reply` makes of its id."""
    sends = world.upstreams.send

    async def send(
        target: Any, method: str, path: bytes, headers: Any, body: Any, **more: Any
    ) -> Any:
        world.upstreams.reply = reply(json.loads(body).get("id"))
        return await sends(target, method, path, headers, body, **more)

    world.upstreams.send = send  # type: ignore[method-assign]


async def test_what_is_sent_is_what_was_decided_on(world: World) -> None:
    answer_by_id(world, lambda rpc_id: Reply([result({}, rpc_id)]))
    await batch(world, tool("add", 1, a=1), tool("add", 2, a=2))
    inputs = [one.record.input for one in world.gate.settlements]
    assert [sent.body.decode() for sent in world.upstreams.sent] == inputs
    assert all(sent.header(b"content-length") is None for sent in world.upstreams.sent)


async def test_messages_that_ask_nothing_are_accepted(world: World) -> None:
    world.upstreams.reply = Reply([], status=202, headers=[])
    answered = await batch(world, note(), note(), events=True)
    assert (answered.status, answered.body, answered.complete) == (202, b"", True)
    assert len(world.gate.settlements) == 2


async def test_streams_become_one_array(world: World) -> None:
    notice = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    answer_by_id(
        world,
        lambda rpc_id: Reply(
            [event(notice.encode()), b"data: " + result({"n": rpc_id}, rpc_id)], headers=[SSE]
        ),
    )
    answered = await batch(world, tool("add", 1, a=1), tool("add", 2, a=1))
    assert [one["result"] for one in answered.json] == [{"n": 1}, {"n": 2}]
    assert (b"content-type", b"application/json") in answered.headers.items()


async def test_streams_become_one_stream(world: World) -> None:
    def reply(rpc_id: Any) -> Reply:
        if rpc_id is None:
            return Reply([], status=202, headers=[])
        return Reply([event(result({}, rpc_id)), b": x\n\n"], headers=[SSE])

    answer_by_id(world, reply)
    answered = await batch(world, tool("add", 1, a=1), note(), tool("add", 2, a=1), events=True)
    assert [one["id"] for one in data(answered)] == [1, 2]
    assert answered.complete


@pytest.mark.parametrize("events", [False, True])
async def test_an_http_error_is_an_error_of_its_message(world: World, events: bool) -> None:
    def reply(rpc_id: Any) -> Reply:
        return Reply([b"busy"], status=500) if rpc_id == 1 else Reply([result({}, rpc_id)])

    answer_by_id(world, reply)
    answered = await batch(world, tool("add", 1, a=1), tool("add", 2, a=1), events=events)
    first, second = data(answered) if events else answered.json
    assert (first["id"], first["error"]["code"]) == (1, -32603)
    assert "HTTP 500" in first["error"]["message"]
    assert second["result"] == {}


@pytest.mark.parametrize("events", [False, True])
async def test_an_answer_that_breaks_off_cuts_the_connection(world: World, events: bool) -> None:
    world.upstreams.reply = Reply([b": x\n\n"], headers=[SSE], fault=BrokenResponse("reset"))
    answered = await batch(world, tool("add", 1, a=1), tool("add", 2, a=1), events=events)
    assert isinstance(answered.error, Abort)
    assert not answered.complete
    (settled,) = world.gate.settlements
    assert settled.charged
    assert settled.record.error.startswith("upstream-unreachable")


@pytest.mark.parametrize("events", [False, True])
async def test_whoever_leaves_ends_it_and_every_message_so_far_has_its_record(
    world: World, events: bool
) -> None:
    answer_by_id(world, lambda rpc_id: Reply([result({}, rpc_id)]))
    await batch(world, tool("add", 1, a=1), tool("add", 2, a=1), events=events)
    length = len(world.events)
    with silent("amaze.proxy"):
        for at in range(1, length):
            world = await make(POLICY)
            answer_by_id(world, lambda rpc_id: Reply([result({}, rpc_id)]))
            world.leave_at = at
            answered = await batch(world, tool("add", 1, a=1), tool("add", 2, a=1), events=events)
            ids = [one.decision_id for one in world.gate.settlements]
            assert len(ids) == len(set(ids))
            assert all(one.record.denial_reason == "" for one in world.gate.settlements)
            assert len(world.upstreams.sent) <= len(ids) <= 2
            if not answered.complete:
                assert isinstance(answered.error, Abort | asyncio.CancelledError)


async def test_a_plain_refusal_is_an_error_of_its_message(world: World) -> None:
    world.rule(plain_denials=True)
    answered = await batch(world, tool("drop", 1))
    assert answered.json[0]["error"]["code"] == -32603
    assert "HTTP 403" in answered.json[0]["error"]["message"]
