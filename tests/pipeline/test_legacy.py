"""Refusals on MCP's first transport."""

from __future__ import annotations

import pytest

from amaze_proxy.pipeline import legacy
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus
from amaze_proxy.wire.upstream import Unreachable
from tests.pipeline.fakes import BEARER, JSON, TURN_KEY, WRONG, Answer, Reply, World
from tests.pipeline.mcp import POLICY, make, rpc, tool

PATH = "/messages/?session_id=7"
SSE_URL = "http://127.0.0.1:9000/sse"
MARK = Seal(TURN_KEY).mark(f"demo http://127.0.0.1:9000{PATH}")
URL = f"http://demo{PATH}&amaze-endpoint={MARK}"
HEADERS = (BEARER, JSON)
ACCEPTED = Reply([b"Accepted"], status=202, headers=[])


@pytest.fixture
async def world() -> World:
    world = await make(POLICY, SSE_URL)
    world.upstreams.reply = ACCEPTED
    return world


async def test_a_refusal_goes_round_by_the_server(world: World) -> None:
    answered = await world.call(URL, tool("drop"), headers=HEADERS)
    assert answered.verdict == (202, "tool-not-allowed")
    assert (answered.body, answered.headers.get(b"content-type")) == (b"", None)
    ping = world.sent.json
    assert ping["method"] == "ping"
    told = world.line.seal.open(ping["id"])
    assert told is not None
    assert b"tool-not-allowed" in told
    assert not world.settlement.charged


async def test_the_server_sees_the_ping_alone(world: World) -> None:
    headers = (*HEADERS, (b"content-encoding", b"identity"), (b"x-own", b"1"))
    await world.call(URL, tool("drop", secret="s3cret"), headers=headers)
    sent = world.sent
    assert b"s3cret" not in sent.body
    assert sent.header(b"content-encoding") is None
    assert sent.header(b"x-own") == b"1"
    assert not [name for name, _ in sent.headers if name.startswith(b"x-amaze-")]
    assert sent.raw_path == b"/messages/?session_id=7"


@pytest.mark.parametrize(
    "reply", [Reply([b"gone"], status=404), Reply(fault=Unreachable("refused"), dial=True)]
)
async def test_it_is_told_in_the_answer_where_the_server_does_not_take_it(
    world: World, reply: Reply
) -> None:
    world.upstreams.reply = reply
    answered = await world.call(URL, tool("drop"), headers=HEADERS)
    assert answered.verdict == (200, "tool-not-allowed")
    assert answered.json["result"]["isError"] is True


async def test_what_is_too_long_for_an_id_is_told_in_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy, "LONGEST", 10)
    answered = await world.call(URL, tool("drop"), headers=HEADERS)
    assert answered.status == 200
    assert world.upstreams.sent == []


async def test_what_nobody_answers_is_not_sent_round(world: World) -> None:
    note = rpc("notifications/unknown")
    del note["id"]
    answered = await world.call(URL, note, headers=HEADERS)
    assert answered.verdict == (202, "mcp-not-allowed")
    assert world.upstreams.sent == []


async def test_plain_denials_are_plain(world: World) -> None:
    world.rule(plain_denials=True)
    answered = await world.call(URL, tool("drop"), headers=HEADERS)
    assert answered.verdict == (403, "tool-not-allowed")
    assert world.upstreams.sent == []


@pytest.mark.parametrize("status", [EntryStatus.PENDING, EntryStatus.REJECTED])
async def test_a_server_that_is_not_approved_gets_nothing_at_all(
    world: World, status: EntryStatus
) -> None:
    world.registered.server("demo", SSE_URL, status)
    answered = await world.call(URL, tool("add", a=1), headers=HEADERS)
    assert answered.reason == "mcp-not-allowed"
    assert world.upstreams.sent == []


@pytest.mark.parametrize(
    "answer",
    [
        StoreUnavailable("away"),
        Admitted(Outcome.REFUSED, Reason.AGENT_QUARANTINED, session_id="session-1"),
        Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED),
    ],
)
async def test_whoever_may_not_call_leads_to_no_request(world: World, answer: Answer) -> None:
    world.gate.answers.append(answer)
    answered = await world.call(URL, tool("add", a=1), headers=HEADERS)
    assert answered.headers[b"x-amaze-decision"] == b"deny"
    assert world.upstreams.sent == []


async def test_a_stranger_leads_to_no_request(world: World) -> None:
    headers = ((b"x-amaze-bearer", WRONG.encode()), JSON)
    answered = await world.call(URL, tool("add", a=1), headers=headers)
    assert answered.reason == "invalid-bearer"
    assert world.upstreams.sent == []


async def test_a_budget_that_is_used_up_is_told_on_the_stream(world: World) -> None:
    world.gate.answers.append(
        Admitted(Outcome.REFUSED, Reason.BUDGET_EXCEEDED, session_id="session-1")
    )
    answered = await world.call(URL, tool("add", a=1), headers=HEADERS)
    assert answered.verdict == (202, "budget_exceeded")
    assert world.sent.json["method"] == "ping"


async def test_whoever_leaves_while_it_goes_round_leaves_a_record(world: World) -> None:
    await world.call(URL, tool("drop"), headers=HEADERS)
    dial = world.events.index("dial")
    assert "tool-not-allowed" in world.record.output
    world = await make(POLICY, SSE_URL)
    world.leave_at = dial
    await world.call(URL, tool("drop"), headers=HEADERS)
    assert world.events[dial] == "dial"
    assert world.record.denial_reason == "tool-not-allowed"
