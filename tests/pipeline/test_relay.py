"""Forwarding and the answer on its way back: what is passed, held, counted and cut."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from amaze_proxy.pipeline import relay
from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.upstream import (
    AddressRefused,
    BrokenResponse,
    Unreachable,
    UpstreamTimeout,
)
from tests.pipeline.fakes import (
    ANTHROPIC,
    BEARER,
    DONE,
    JSON,
    OPEN,
    OPENAI,
    OUTPUT,
    PROMPT,
    SSE,
    STREAM,
    WEB,
    WHOLE,
    Reply,
    World,
    chat,
    streamed,
    whole,
    words,
)


async def test_a_whole_answer_goes_on_as_it_came_and_is_counted(world: World) -> None:
    world.upstreams.reply = whole()
    answer = await world.call(OPENAI, chat())
    assert (answer.status, answer.body, answer.complete) == (200, WHOLE, True)
    assert answer.headers[b"x-amaze-decision"] == b"allow"
    assert answer.headers[b"x-amaze-decision-id"].decode() == world.record.decision_id
    settled = world.settlement
    assert (settled.tokens, settled.output_tokens) == (PROMPT + OUTPUT, OUTPUT)
    assert settled.charged
    assert settled.burn_step
    assert settled.mean_key == "openai/gpt-4.1-mini"
    record = settled.record
    assert (record.tokens_in, record.tokens_out, record.estimated) == (PROMPT, OUTPUT, False)
    assert record.cost_microusd > 0
    assert record.output == WHOLE.decode()
    assert world.events.index("settled") < world.events.index("send")


async def test_a_stream_goes_on_event_by_event_and_its_end_waits_for_the_record(
    world: World,
) -> None:
    world.upstreams.reply = streamed()
    answer = await world.call(OPENAI, chat(stream=True))
    # the usage was not asked for by the client: the event that has it alone is kept from it
    shown = b"".join((STREAM[0], STREAM[1], DONE)).replace(b', "usage": null', b"")
    assert answer.body == shown
    assert answer.complete
    assert world.record.output == shown.decode(), "the end, which waits for the record, is in it"
    assert world.record.output_size == len(shown)
    assert world.sent.json["stream_options"] == {"include_usage": True}
    assert world.settlement.tokens == PROMPT + OUTPUT
    before = world.events[: world.events.index("settled")]
    assert before.count("send") == 3, "the head and two words, not the end"


async def test_an_end_without_its_blank_line_is_an_end(world: World) -> None:
    world.upstreams.reply = streamed((*STREAM[:-1], DONE.rstrip()))
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.body.endswith(b"data: [DONE]")
    assert world.record.output == answer.body.decode()
    assert answer.complete
    assert world.events.index("settled") < world.events.index("complete")
    assert not world.settlement.record.error


async def test_what_follows_the_end_of_a_stream_is_read_but_not_passed_on(world: World) -> None:
    world.upstreams.reply = streamed((*STREAM, words("more")))
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.body.endswith(DONE)
    assert answer.complete
    assert world.events.count("chunk") == len(STREAM) + 1


@pytest.mark.parametrize("fault", [BrokenResponse("reset"), UpstreamTimeout("idle"), None])
async def test_a_stream_whose_connection_does_not_end_well_is_complete_all_the_same(
    world: World, fault: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_AFTER_END_S", 0.01)
    world.upstreams.reply = streamed(fault=fault, hang=fault is None)
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.complete
    assert not world.record.error
    assert world.upstreams.responses[0].closed


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (streamed(STREAM[:2]), "ended its stream"),
        (streamed(STREAM[:2], fault=BrokenResponse("reset")), "broke off"),
        (streamed(STREAM[:2], fault=UpstreamTimeout("idle")), "in time"),
        (streamed((STREAM[0], b"x" * (17 << 20))), "cannot be read"),
        (streamed(STREAM[:2], fault=RuntimeError("ours")), "the proxy failed"),
    ],
)
@pytest.mark.parametrize("url", [OPENAI, ANTHROPIC])
async def test_a_stream_that_breaks_says_so_in_its_own_way_and_is_cut(
    world: World, reply: Reply, says: str, url: str
) -> None:
    world.upstreams.reply = reply
    answer = await world.call(url, chat(stream=True, max_tokens=100))
    assert isinstance(answer.error, Abort)
    assert not answer.complete
    assert answer.status == 200
    last = answer.body.strip().splitlines()[-1]
    assert says in json.loads(last.removeprefix(b"data: "))["error"]["message"]
    assert world.settlement.charged
    assert world.record.estimated
    assert world.record.tokens_in > 0
    assert world.record.status == 200
    assert world.upstreams.responses[0].closed


async def test_a_stream_without_a_byte_is_a_refusal(world: World) -> None:
    world.upstreams.reply = streamed(())
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.verdict == (502, "upstream-unreachable")
    assert answer.complete


async def test_a_compressed_stream_is_refused(world: World) -> None:
    world.upstreams.reply = streamed(headers=(SSE, (b"content-encoding", b"gzip")))
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.verdict == (502, "upstream-unreachable")
    assert "uncompressed" in answer.json["error"]["message"]


async def test_a_compressed_whole_answer_is_read_and_passed_on_as_it_came(world: World) -> None:
    packed = gzip.compress(WHOLE)
    parts = (packed[:10], packed[10:])
    world.upstreams.reply = whole(parts=parts, headers=(JSON, (b"content-encoding", b"gzip")))
    answer = await world.call(OPENAI, chat())
    assert answer.body == packed
    assert answer.headers[b"content-encoding"] == b"gzip"
    assert answer.headers[b"content-length"] == b"%d" % len(packed)
    assert world.settlement.tokens == PROMPT + OUTPUT


async def test_an_encoding_that_cannot_be_read_is_no_answer(world: World) -> None:
    world.upstreams.reply = whole(headers=(JSON, (b"content-encoding", b"gzip")))
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (502, "upstream-unreachable")
    assert answer.headers[b"x-amaze-decision"] == b"allow", "not a denial of ours"
    assert world.settlement.charged
    assert not world.record.denied
    assert not world.settlement.burn_step, "the caller has nothing of it"


async def test_an_answer_larger_than_is_read_is_no_answer(world: World) -> None:
    world.rule(answer_body_max=len(WHOLE) - 1)
    world.upstreams.reply = whole()
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (502, "upstream-unreachable")
    assert WHOLE not in answer.body
    world.rule(answer_body_max=len(WHOLE))
    assert (await world.call(OPENAI, chat())).status == 200


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_an_error_of_the_provider_is_passed_on_and_costs_nothing(
    world: World, status: int
) -> None:
    world.upstreams.reply = Reply((b"no ", b"luck"), status, (SSE,))
    answer = await world.call(OPENAI, chat(stream=True))
    assert (answer.status, answer.body) == (status, b"no luck")
    assert answer.headers[b"x-amaze-decision"] == b"allow"
    settled = world.settlement
    assert (settled.tokens, settled.cost_microusd, settled.burn_step) == (0, 0, False)
    assert settled.charged, "given back by its own count, not as something never sent"
    assert (world.record.status, world.record.denied) == (status, False)


async def test_streaming_block_gives_the_whole_answer_as_the_stream_asked_for() -> None:
    world = World({**OPEN, "streaming": "block"})
    world.upstreams.reply = whole(headers=(JSON, (b"x-other", b"1")))
    answer = await world.call(OPENAI, chat(stream=True))
    assert world.sent.json["stream"] is False
    assert answer.headers[b"content-type"] == b"text/event-stream"
    assert answer.headers[b"x-other"] == b"1"
    assert answer.headers[b"content-length"] == b"%d" % len(answer.body)
    events = [line for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert json.loads(events[0][6:])["choices"][0]["delta"]["content"] == "Four."
    assert events[-1] == "data: [DONE]"
    assert world.settlement.tokens == PROMPT + OUTPUT


async def test_streaming_block_leaves_a_whole_answer_alone() -> None:
    world = World({**OPEN, "streaming": "block"})
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).body == WHOLE
    assert world.sent.json == chat()


async def test_streaming_block_of_what_is_no_answer_is_refused() -> None:
    world = World({**OPEN, "streaming": "block"})
    world.upstreams.reply = whole(parts=(b"{}",))
    answer = await world.call(OPENAI, chat(stream=True))
    assert answer.verdict == (502, "upstream-unreachable")


# -- what is not looked into --------------------------------------------------------------------


async def test_another_host_is_streamed_both_ways(world: World) -> None:
    world.upstreams.reply = Reply((b"one ", b"two"), headers=((b"content-type", b"text/plain"),))
    answer = await world.call(WEB, [b"a", b"b", b"c"], method="PUT")
    assert (answer.body, answer.complete) == (b"one two", True)
    assert (world.sent.method, world.sent.body) == ("PUT", b"abc")
    assert world.sent.raw_path == b"/a%20b?c=d"
    record = world.record
    assert (record.kind, record.target, record.path) == ("http", "files.example.com", "/a%20b")
    assert (record.input, record.output, record.input_size) == ("abc", "one two", 3)
    assert (record.tokens_in, record.cost_microusd, record.estimated) == (0, 0, False)
    before = world.events[: world.events.index("settled")]
    assert before.count("send") == 3, "without a length the end is what is held"
    assert record.ttft_ms >= 0


async def test_with_a_length_the_last_bytes_are_held(world: World) -> None:
    world.upstreams.reply = Reply((b"one ", b"two"), length=7)
    answer = await world.call(WEB, method="GET")
    assert (answer.body, answer.complete) == (b"one two", True)
    assert answer.headers[b"content-length"] == b"7"
    before = world.events[: world.events.index("settled")]
    assert before.count("send") == 2, "the head and the first bytes"
    assert world.record.output == "one two"


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("GET", Reply(length=0)),
        ("GET", Reply(status=204)),
        ("GET", Reply(status=304, length=500)),
        ("HEAD", Reply(length=500)),
        ("HEAD", Reply()),
    ],
)
async def test_an_answer_that_is_its_head_alone_waits_for_the_record_too(
    world: World, method: str, reply: Reply
) -> None:
    world.upstreams.reply = reply
    answer = await world.call(WEB, method=method)
    assert (answer.status, answer.complete, answer.error) == (reply.status, True, None)
    assert world.events.index("settled") < world.events.index("complete")


async def test_an_answer_not_looked_into_that_breaks_is_cut_without_a_word(world: World) -> None:
    world.upstreams.reply = Reply((b"one ",), length=7, fault=BrokenResponse("reset"))
    answer = await world.call(WEB, method="GET")
    assert isinstance(answer.error, Abort)
    assert (answer.body, answer.complete) == (b"one ", False)
    assert world.record.error.startswith("upstream-unreachable: files.example.com broke off")
    assert not world.record.denied


# -- the way out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "verdict", "charged", "denied"),
    [
        (AddressRefused("loopback"), (403, "host-not-allowed"), False, True),
        (Unreachable("refused"), (502, "upstream-unreachable"), False, False),
        (UpstreamTimeout("head"), (504, "upstream-timeout"), True, False),
        (BrokenResponse("no status line"), (502, "upstream-unreachable"), True, False),
        (RuntimeError("ours"), (403, "internal-error"), True, True),
    ],
)
async def test_a_target_that_does_not_answer(
    world: World, fault: Exception, verdict: tuple[int, str], charged: bool, denied: bool
) -> None:
    world.upstreams.reply = Reply(fault=fault, dial=True)
    answer = await world.call(OPENAI, chat(max_tokens=100))
    assert answer.verdict == verdict
    assert answer.complete
    settled = world.settlement
    assert (settled.charged, settled.record.denied) == (charged, denied)
    assert (settled.tokens > 0) == charged, "what may have been done is charged as estimated"
    assert bool(settled.record.denial_reason) == denied
    assert answer.headers[b"x-amaze-decision"] == (b"deny" if denied else b"allow")
    assert answer.headers[b"x-should-retry"] == b"false"


async def test_the_place_that_the_operator_set_is_dialled_and_may_be_private(world: World) -> None:
    place = Authority("http", "10.0.0.9", 8000)
    world.rule(places={"api.openai.com": place})
    world.upstreams.reply = whole()
    await world.call(OPENAI, chat())
    target = world.sent.target
    assert target.authority == Authority("https", "api.openai.com", 443)
    assert (target.dial, target.allow_private, target.owner) == (place, True, "agent-1")


async def test_other_places_may_not_be_private(world: World) -> None:
    await world.call(WEB, method="GET")
    assert (world.sent.target.dial, world.sent.target.allow_private) == (None, False)


async def test_nothing_of_ours_goes_out_and_nothing_of_ours_comes_back(world: World) -> None:
    world.upstreams.reply = whole(
        headers=(
            JSON,
            (b"x-amaze-decision", b"deny"),
            (b"x-amaze-caller", b"boss"),
            (b"content-length", b"1"),
        )
    )
    answer = await world.call(
        OPENAI,
        chat(),
        headers=(
            BEARER,
            (b"x-amaze-caller", b"boss"),
            (b"host", b"evil.example"),
            (b"accept-encoding", b"br"),
            (b"expect", b"100-continue"),
            (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"),
            (b"tracestate", b"a=b"),
            (b"baggage", b"user=me"),
            (b"authorization", b"Bearer sk-mine"),
        ),
    )
    assert not [name for name, _ in world.sent.headers if name.startswith(b"x-amaze-")]
    names = [name for name, _ in world.sent.headers]
    assert names == [b"authorization", b"accept-encoding", b"traceparent"]
    assert world.sent.header(b"accept-encoding") == b"identity"
    trace = f"00-{world.record.trace_id}-{world.record.span_id}-01"
    assert world.sent.header(b"traceparent") == trace.encode()
    assert answer.headers[b"x-amaze-decision"] == b"allow"
    assert b"x-amaze-caller" not in answer.headers
    assert answer.headers[b"content-length"] == b"%d" % len(WHOLE)


async def test_the_client_that_leaves_in_the_middle_is_charged_for_what_it_saw(
    world: World,
) -> None:
    world.upstreams.reply = streamed(STREAM[:2], hang=True)
    reached = asyncio.Event()
    original = world.reach

    async def reach(event: str) -> None:
        await original(event)
        if world.events.count("send") == 3:
            reached.set()

    world.reach = reach  # type: ignore[method-assign]
    before = asyncio.all_tasks()
    calling = asyncio.create_task(world.call(OPENAI, chat(stream=True)))
    await reached.wait()
    (serving,) = asyncio.all_tasks() - before - {calling}
    world.gone = True
    serving.cancel()
    answer = await calling
    assert isinstance(answer.error, Abort)
    settled = world.settlement
    assert settled.charged
    assert settled.output_tokens == 0, "an estimate teaches the mean nothing"
    assert settled.tokens > 0
    assert (settled.record.error, settled.record.estimated) == ("client went away", True)
    assert world.upstreams.responses[0].closed


async def test_a_private_address_needs_more_than_an_allowed_host(world: World) -> None:
    world.upstreams.reply = Reply(fault=AddressRefused("10.0.0.1 is private"), dial=True)
    answer = await world.call(OPENAI, chat(max_tokens=100))
    assert b"AMAZE_UPSTREAMS" in answer.body
    assert b"allowed_hosts" not in answer.body
