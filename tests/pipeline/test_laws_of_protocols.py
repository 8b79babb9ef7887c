"""The laws of the line for calls of MCP servers and agents, whatever goes wrong where."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.protocols.strictjson import dumps
from amaze_proxy.store.admission import Admitted, Outcome, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.peers import Callee
from amaze_proxy.store.registry import EntryStatus
from amaze_proxy.wire.ingress import ClientDisconnected
from amaze_proxy.wire.upstream import AddressRefused, BrokenResponse, Unreachable, UpstreamTimeout
from tests.pipeline.fakes import (
    AGENT,
    BEARER,
    JSON,
    OPENAI,
    SSE,
    WRONG,
    Answer,
    Answered,
    Reply,
    Sent,
    World,
    chat,
    silent,
    whole,
)
from tests.pipeline.mcp import event, result, rpc, tool

AWAY = StoreUnavailable("away")
STALE = Admitted(Outcome.STALE, session_id="session-1")
POLICY = {
    "name": "laws",
    "allowed_llm_providers": ["openai"],
    "allowed_tools": ["add"],
    "allowed_agents": ["writer"],
}
PATH = "/messages?session_id=7"
NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}
ASKS = json.dumps(rpc("sampling/createMessage", rpc_id=9)).encode()
MESSAGE = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
OLD = (b"mcp-protocol-version", b"2025-03-26")
EVENTS = (b"accept", b"application/json, text/event-stream")


def send(callee: str, method: str = "SendMessage") -> tuple[str, Any]:
    return f"http://{callee}/", rpc(method, {"message": MESSAGE})


CALLS: dict[str, tuple[str, Any]] = {
    "tool": ("http://demo/mcp", tool("add", a=1)),
    "list": ("http://demo/mcp", rpc("tools/list")),
    "note": ("http://demo/mcp", NOTE),
    "denied tool": ("http://demo/mcp", tool("drop")),
    "denied resource": ("http://demo/mcp", rpc("resources/read", {"uri": "file:///x"})),
    "unknown method": ("http://demo/mcp", rpc("tools/execute")),
    "rejected server": ("http://bad/mcp", tool("add")),
    "unknown server": ("http://nobody/mcp", tool("add")),
    "legacy": (f"http://demo{PATH}", tool("add")),
    "denied legacy": (f"http://demo{PATH}", tool("drop")),
    "batch": ("http://demo/mcp", [tool("add", 1), tool("drop", 2), NOTE, tool("add", 3)]),
    "broken": ("http://demo/mcp", {"jsonrpc": "2.0"}),
    "message": send("writer"),
    "stream": send("writer", "SendStreamingMessage"),
    "task": ("http://writer/", rpc("GetTask", {"id": "t"})),
    "denied message": send("other"),
    "quarantined": send("writer"),
}
PASSES = {"tool", "list", "note", "legacy", "batch", "message", "stream", "task"}


@dataclass(frozen=True)
class Script:
    """One request and everything that happens to it."""

    name: str
    events: bool
    packed: bool
    stranger: bool
    warm: bool
    store: tuple[Answer, ...]
    look_fails: bool
    hop_end_fails: bool
    settles: bool
    reply: Reply
    leave_at: int
    stop_at: int

    @property
    def clean(self) -> bool:
        """Nothing but the call itself can be refused."""
        faults = (self.store, self.look_fails, self.hop_end_fails, self.stranger, self.reply.fault)
        return not any(faults) and self.settles and self.leave_at < 0 and self.stop_at < 0

    @property
    def messages(self) -> list[Any]:
        body = CALLS[self.name][1]
        return body if isinstance(body, list) else [body]


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    fault = draw(
        st.sampled_from(
            [
                *(None, None, None, None),
                *(BrokenResponse("reset"), UpstreamTimeout("idle"), RuntimeError("ours")),
                *(Unreachable("refused"), AddressRefused("loopback")),
            ]
        )
    )
    dial = isinstance(fault, Unreachable | AddressRefused) or draw(st.booleans())
    streams = draw(st.booleans())
    good = result({"content": []})
    parts = draw(
        st.sampled_from(
            [
                *([good], [good], [good[:9], good[9:]], [], [b"<p>"], [good, good]),
                [result({}, 77)],
                [b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}}'],
            ]
        )
    )
    if streams:
        parts = [event(part) for part in draw(st.sampled_from([[good], [ASKS, good], [ASKS], []]))]
    status = draw(st.sampled_from([200, 200, 200, 202, 204, 302, 404, 500]))
    headers = (SSE if streams else JSON, (b"x-amaze-reason", b"forged"))
    return Reply([] if status == 204 else parts, status, headers, None, fault, dial)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    some = st.sampled_from([False] * 5 + [True])
    refusals = [
        (Admitted(Outcome.REFUSED, reason, session_id="session-1"),)
        for reason in (Reason.AGENT_QUARANTINED, Reason.BUDGET_EXCEEDED, Reason.GRAPH_VIOLATION)
    ]
    stranger = draw(some)
    said = draw(st.sampled_from([(), (), (), (STALE,), (STALE,) * 5, (AWAY,), *refusals]))
    return Script(
        name=draw(st.sampled_from(sorted(CALLS))),
        events=draw(st.booleans()),
        packed=draw(some),
        stranger=stranger,
        warm=draw(st.booleans()),
        store=() if stranger else said,
        look_fails=draw(some),
        hop_end_fails=draw(some),
        settles=not draw(some),
        reply=draw(replies()),
        leave_at=draw(st.integers(-16, 24)),
        stop_at=draw(st.integers(-16, 24)),
    )


async def make() -> World:
    world = World(POLICY)
    known = world.registered
    known.server("demo", "http://127.0.0.1:9000/mcp")
    known.server("bad", "http://127.0.0.1:9001/mcp", EntryStatus.REJECTED)
    known.agent("writer", ("10.0.0.5", 9100), credentials=("ab" * 32,))
    known.agent("other", ("10.0.0.6", 9100))
    await world.line.directory.refresh()
    return world


def fail_peers(world: World, script: Script) -> None:
    """Looks and ends of hops fail, as the script says."""
    look, hop_end = world.registered.look, world.registered.hop_end

    async def no_look(callee: str) -> Callee:
        await look(callee)
        raise AWAY

    async def no_entry(name: str) -> None:
        await world.reach("look")
        raise AWAY

    async def no_hop_end(callee: str, decision_id: str, *, reached: bool = True) -> None:
        await hop_end(callee, decision_id, reached=reached)
        raise AWAY

    if script.look_fails:
        world.registered.look = no_look  # type: ignore[method-assign]
        world.registered.mcp = no_entry  # type: ignore[method-assign]
    if script.hop_end_fails:
        world.registered.hop_end = no_hop_end  # type: ignore[method-assign]


async def ask(world: World, script: Script) -> Answered:
    url, body = CALLS[script.name]
    if "legacy" in script.name:
        url += f"&amaze-endpoint={world.line.seal.mark(f'demo http://127.0.0.1:9000{PATH}')}"
    data = json.dumps(body).encode()
    bearer = (b"x-amaze-bearer", WRONG.encode()) if script.stranger else BEARER
    headers = [bearer, JSON, *([OLD] if script.name == "batch" else [])]
    if script.events:
        headers.append(EVENTS)
    if script.packed:
        data, headers = gzip.compress(data), [*headers, (b"content-encoding", b"gzip")]
    headers.append((b"content-length", b"%d" % len(data)))
    return await world.call(url, data, headers=headers)


async def play(script: Script) -> tuple[World, Answered]:
    world = await make()
    world.upstreams.reply = Reply([result({"content": []})])
    if script.warm:
        await ask(world, replace(script, stranger=False, name="message"))
        await ask(world, replace(script, stranger=False))
        for part in (world.events, world.gate.settlements, world.gate.admissions, world.spans.told):
            part.clear()  # type: ignore[attr-defined]
        for more in (world.upstreams.sent, world.registered.hops, world.registered.ended):
            more.clear()  # type: ignore[attr-defined]
    if script.name == "quarantined":
        world.registered.agents.pop("writer")
    world.gate.answers.extend(script.store)
    world.gate.settle_fault = None if script.settles else AWAY
    world.upstreams.reply = script.reply
    world.leave_at, world.stop_at = script.leave_at, script.stop_at
    fail_peers(world, script)
    return world, await ask(world, script)


@settings(max_examples=250)
@given(scripts())
def test_the_laws(script: Script) -> None:
    with silent("amaze.proxy"):
        world, seen = asyncio.run(play(script))
    once_each(script, world, seen)
    nothing_denied_is_sent(script, world)
    what_was_decided_on_is_sent(script, world)
    hops_end(world)
    round_trips(script, world)
    whole_or_cut(script, world, seen)


def calls(world: World) -> list[Settlement]:
    """The settlements of the client's messages; not those of what a server asked."""
    return [one for one in world.gate.settlements if not is_asked(one.record)]


def is_asked(record: AuditRecord) -> bool:
    return record.method == "sampling/createMessage"


def once_each(script: Script, world: World, seen: Answered) -> None:
    """Every message that was admitted settles once, by its own id."""
    ids = [one.decision_id for one in world.gate.settlements]
    assert len(ids) == len(set(ids))
    # what only asks whose credential it is may have an id of its own: it reserves nothing
    asked = {one.decision_id for one in world.gate.admissions if not one.check_only}
    assert asked <= set(ids)
    assert 1 <= len(calls(world)) <= len(script.messages)
    if seen.error is None and not script.stranger:
        assert len(calls(world)) == len(script.messages)
    for one in calls(world):
        assert one.charged or not one.burn_step
        assert one.agent_id == AGENT or not one.charged
    if script.clean and script.name in PASSES - {"batch"}:
        assert not calls(world)[0].record.denied


def span_of(sent: Sent) -> str:
    return (sent.header(b"traceparent") or b"").decode().split("-")[2]


def is_ping(world: World, sent: Sent) -> bool:
    """Whether it is a refusal on its way round."""
    told = json.loads(sent.body or b"{}")
    return told.get("method") == "ping" and world.line.seal.open(str(told.get("id"))) is not None


def is_reply(sent: Sent) -> bool:
    """Whether it tells the server that it may not ask."""
    return b"-31403" in sent.body


def nothing_denied_is_sent(script: Script, world: World) -> None:
    records = {one.record.span_id: one for one in calls(world)}
    for sent in world.upstreams.sent:
        assert b"drop" not in sent.body
        assert not sent.header(b"x-amaze-bearer")
        if is_ping(world, sent):
            assert script.name in ("legacy", "denied legacy")
        elif not is_reply(sent):
            settled = records[span_of(sent)]
            failed = isinstance(script.reply.fault, Unreachable | AddressRefused)
            assert settled.charged or failed
    if script.stranger or script.name not in (*PASSES, "denied legacy"):
        assert world.upstreams.sent == []
    if script.name == "quarantined":
        assert not calls(world)[0].charged


def what_was_decided_on_is_sent(script: Script, world: World) -> None:
    records = {one.record.span_id: one.record for one in calls(world)}
    plain = [json.dumps(one).encode() for one in script.messages]
    if script.name == "batch":
        plain = [dumps(one) for one in script.messages]
    for sent in world.upstreams.sent:
        if is_ping(world, sent) or is_reply(sent):
            continue
        assert sent.body in plain
        assert sent.header(b"content-encoding") is None
        if not script.packed or script.name == "batch":
            digest = hashlib.sha256(sent.body).hexdigest()
            assert records[span_of(sent)].input_sha256 == digest


def hops_end(world: World) -> None:
    """Every hop that was noted is ended, last as what it came to be."""
    ended = {decision_id: reached for _, decision_id, reached in world.registered.ended}
    for hop in world.registered.hops:
        assert hop.decision_id in ended
    for one in calls(world):
        assert ended.get(one.decision_id, one.charged) == one.charged


def round_trips(script: Script, world: World) -> None:
    if not (script.clean and script.warm and script.name in PASSES - {"batch"}):
        return
    assert len(world.gate.admissions) == 1
    if "dial" in world.events:
        before = world.events[: world.events.index("dial")]
        assert before.count("look") <= 1
        assert before.index("admit") >= 0


def whole_or_cut(script: Script, world: World, seen: Answered) -> None:
    if seen.error is None:
        assert seen.complete
    else:
        # Where our own fault comes while a refusal goes round, there is nothing better to say.
        ours = (RuntimeError,) if "legacy" in script.name else ()
        cut = (Abort, ClientDisconnected, asyncio.CancelledError, *ours)
        assert isinstance(seen.error, cut)
    if seen.complete and script.name != "batch":
        assert world.events.index("settle") < world.events.index("complete")
        if b"x-amaze-reason" not in seen.headers:  # an answer of the target
            assert world.events.index("settled") < world.events.index("complete")
    assert seen.headers.get(b"x-amaze-reason") != b"forged"


class LeavesAtItsEnd(list[bytes]):
    """The client goes when the last part of the answer has come: whoever awaits next is cancelled
    before anything else begins."""

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)


@pytest.mark.parametrize("name", ["tool", "message"])
async def test_whoever_leaves_as_the_answer_ends_is_recorded(name: str) -> None:
    world = await make()
    world.upstreams.reply = Reply(LeavesAtItsEnd([result({"content": []})]))
    url, body = CALLS[name]
    await world.call(url, body, headers=(BEARER, JSON))
    assert world.settlement.charged
    hops_end(world)


async def test_whoever_leaves_as_a_models_answer_ends_is_recorded() -> None:
    world = await make()
    world.upstreams.reply = replace(whole(), parts=LeavesAtItsEnd(whole().parts))
    await world.call(OPENAI, chat(), headers=(BEARER, JSON))
    assert world.settlement.charged
