"""What comes in: the body, read once, and what the call is by it."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.intake import Intake
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import CallKind, HttpCall
from amaze_proxy.wire.authority import parse_authority
from amaze_proxy.wire.ingress import BodyFault, Fault, FaultKind
from tests.pipeline.fakes import AGENT, JSON, OPENAI, SHA256, WRONG, World, chat
from tests.pipeline.mcp import URL, rpc, tool

ME = Claim(AGENT, SHA256)
STRANGER = Claim(AGENT, "0" * 64)
EVENTS = (b"accept", b"text/event-stream")
OLD = (b"mcp-protocol-version", b"2025-03-26")
Header = tuple[bytes, bytes]


@pytest.fixture
async def world() -> World:
    world = World()
    known = world.registered
    known.server("demo", "http://10.0.0.1:9000/mcp")
    known.server("a", "http://10.0.0.2:9000/a")
    known.server("b", "http://10.0.0.2:9000/b")
    known.host("own", "http://10.0.0.3:9000/base")
    known.agent("writer", ("10.0.0.4", 9100))
    await world.line.directory.refresh()
    return world


class Body:
    """A client that sends these parts."""

    def __init__(self, *parts: bytes, ends: Any = None) -> None:
        self.left = list(parts)
        self.ends = ends

    async def receive(self) -> Any:
        if self.left:
            part = self.left.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.left or self.ends)}
        if isinstance(self.ends, BodyFault):
            raise self.ends
        return self.ends


def intake(
    world: World,
    url: str = URL,
    body: Any = b"",
    *,
    method: str = "POST",
    headers: Sequence[Header] = (JSON,),
) -> Intake:
    client = body if isinstance(body, Body) else Body(*parts(body))
    scheme, _, rest = url.partition("://")
    netloc, slash, target = rest.partition("/")
    path, _, query = (slash + target).partition("?")
    authority = parse_authority(netloc, scheme, {"http": 80, "https": 443}[scheme])
    head = Head(authority, method, path, dict(headers), query)
    evidence = Evidence(Capture(100), Capture(100))
    return Intake(world.line, head, [*headers], client.receive, evidence)


def parts(body: Any) -> list[bytes]:
    if isinstance(body, bytes):
        return [body]
    return [json.dumps(body).encode()]


async def call(world: World, *args: Any, **more: Any) -> Call:
    found = await intake(world, *args, **more).classify(ME)
    assert isinstance(found, Call)
    return found


async def refused(world: World, *args: Any, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await intake(world, *args, **more).classify(ME)
    return caught.value


@pytest.mark.parametrize(
    ("url", "body", "kind", "target"),
    [
        (URL, tool("add"), CallKind.MCP, "demo"),
        ("http://10.0.0.1:9000/mcp", tool("add"), CallKind.MCP, "demo"),
        (OPENAI, chat(), CallKind.LLM, "api.openai.com"),
        ("http://own/v1/chat/completions", chat(), CallKind.LLM, "own"),
        ("http://writer/", rpc("GetTask", {"id": "t"}), CallKind.A2A, "writer"),
    ],
)
async def test_it_is_told_by_the_place(
    world: World, url: str, body: Any, kind: CallKind, target: str
) -> None:
    found = await call(world, url, body)
    assert (found.kind, found.target) == (kind, target)


async def test_a_batch_is_one(world: World) -> None:
    found = await intake(world, URL, [rpc("ping")], headers=(JSON, OLD)).classify(ME)
    assert isinstance(found, Batch)


async def test_a_path_that_is_none_of_several_servers(world: World) -> None:
    found = await refused(world, "http://10.0.0.2:9000/c", tool("add"))
    assert found.reason is Reason.MCP_NOT_ALLOWED
    assert "a, b" in found.message


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_servers_stream_and_a_sessions_end(world: World, method: str) -> None:
    found = await call(world, URL, method=method, headers=(EVENTS,))
    assert (found.kind, found.entry) == (CallKind.MCP, "demo")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_else_is_on_a_servers_host_is_no_mcp(world: World, method: str) -> None:
    found = await call(world, "http://10.0.0.1:9000/admin", method=method, headers=(EVENTS,))
    assert found.resource == HttpCall("10.0.0.1")
    assert found.way is None


@pytest.mark.parametrize(("method", "body"), [("PUT", b""), ("HEAD", b""), ("GET", b"{}")])
async def test_what_is_no_method_of_mcp(world: World, method: str, body: bytes) -> None:
    found = await refused(world, URL, body, method=method, headers=(EVENTS,))
    assert found.reason is Reason.MALFORMED_REQUEST


async def test_a_form_is_no_mcp(world: World) -> None:
    form = (b"content-type", b"application/x-www-form-urlencoded")
    found = await call(world, "http://10.0.0.1:9000/token", b"grant_type=x", headers=(form,))
    assert found.resource == HttpCall("10.0.0.1")
    assert found.body == b"grant_type=x"


@pytest.mark.parametrize("url", [URL, OPENAI, "http://writer/"])
@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-method-override"])
async def test_another_method_in_a_header_is_refused(world: World, url: str, name: bytes) -> None:
    found = await refused(world, url, tool("add"), headers=(JSON, (name, b"GET")))
    assert found.reason is Reason.MALFORMED_REQUEST
    assert name.decode() in found.message


async def test_elsewhere_it_is_nobodys_business(world: World) -> None:
    headers = ((b"x-http-method-override", b"GET"),)
    found = await call(world, "http://files.example/", headers=headers)
    assert found.kind is CallKind.HTTP


def sized(body: Any) -> tuple[Header, Header]:
    return JSON, (b"content-length", b"%d" % len(parts(body)[0]))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (tool("add"), CallKind.MCP),
        ([tool("add")], CallKind.MCP),
        (rpc("SendMessage"), CallKind.A2A),
        (rpc("eth_call"), CallKind.HTTP),
        ({"a": 1}, CallKind.HTTP),
    ],
)
async def test_what_speaks_to_nobody_who_is_registered(
    world: World, body: Any, kind: CallKind
) -> None:
    found = await call(world, "http://x.example/", body, headers=sized(body))
    assert (found.kind, found.strays) == (kind, kind is not CallKind.HTTP)
    assert found.body == parts(body)[0]


async def test_a_session_with_nobody_who_is_registered(world: World) -> None:
    headers = (EVENTS, (b"mcp-session-id", b"7"))
    found = await call(world, "http://x.example/", method="GET", headers=headers)
    assert found.strays


async def test_other_bodies_stream(world: World) -> None:
    one = intake(world, "http://x.example/", Body(b"a", b"b"), headers=())
    found = await one.classify(ME)
    assert isinstance(found, Call)
    assert found.body is None
    assert [part async for part in one.body()] == [b"a", b"b"]
    assert one.evidence.input.size == 2


async def test_a_body_is_read_once(world: World) -> None:
    one = intake(world, URL, tool("add"))
    first = await one.classify(ME)
    assert await one.classify(ME) == first
    assert [part async for part in one.body()] == []
    assert one.evidence.input.size == len(parts(tool("add"))[0])


async def test_what_is_decided_on_is_decoded(world: World) -> None:
    packed = gzip.compress(parts(tool("add"))[0])
    found = await call(world, URL, packed, headers=(JSON, (b"content-encoding", b"gzip")))
    assert found.tool == "add"
    assert found.body == parts(tool("add"))[0]


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (b"x", b"gzip", Reason.MALFORMED_REQUEST),
        (b"x", b"br", Reason.MALFORMED_REQUEST),
        (gzip.compress(b"x" * 3000, mtime=0), b"gzip", Reason.REQUEST_TOO_LARGE),
        (b"x" * 3000, b"identity", Reason.REQUEST_TOO_LARGE),
    ],
)
async def test_what_cannot_be_read_is_refused(
    world: World, body: bytes, coding: bytes, reason: Reason
) -> None:
    world.rule(request_body_max=2000)
    found = await refused(world, URL, body, headers=(JSON, (b"content-encoding", coding)))
    assert found.reason is reason


async def test_strangers_send_little(world: World) -> None:
    big = Body(b"x" * 40_000, b"x" * 40_000, b"x" * 40_000)
    with pytest.raises(Refused) as caught:
        await intake(world, URL, big).classify(STRANGER)
    assert caught.value.reason is Reason.INVALID_BEARER
    assert len(big.left) == 1


async def test_whoever_is_good_may_go_on(world: World) -> None:
    big = Body(b"x" * 40_000, b"x" * 40_000, b"x" * 40_000)
    with pytest.raises(Refused) as caught:
        await intake(world, URL, big).classify(ME)
    assert caught.value.reason is Reason.MALFORMED_REQUEST
    assert world.events == ["admit"]
    assert big.left == []


async def test_whoever_is_known_is_not_asked_for(world: World) -> None:
    world.line.verified.note(ME)
    with pytest.raises(Refused):
        await intake(world, URL, Body(b"x" * 70_000)).classify(ME)
    assert world.events == []


async def test_a_client_that_leaves_in_the_middle(world: World) -> None:
    with pytest.raises(asyncio.CancelledError):
        await intake(world, URL, Body(b"x", ends={"type": "http.disconnect"})).classify(ME)


async def test_a_body_that_is_broken(world: World) -> None:
    fault = BodyFault(Fault(FaultKind.MALFORMED, "bad", 400, None, None, "", b""))
    found = await refused(world, URL, Body(b"x", ends=fault))
    assert (found.reason, found.status) == (Reason.MALFORMED_REQUEST, 400)
    assert WRONG not in found.message
