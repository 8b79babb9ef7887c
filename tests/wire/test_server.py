"""Requests on the proxy port: framing, flow control, ends. On real sockets, on both loops."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import tracemalloc
from typing import Any

import pytest

from amaze_proxy.wire.asgi import Receive, Scope, Send
from amaze_proxy.wire.ingress import (
    Answer,
    AnswerCut,
    BodyFault,
    ClientDisconnected,
    Fault,
    FaultKind,
)
from amaze_proxy.wire.limits import Limits
from tests.patience import PATIENCE

ABSOLUTE = b"GET http://api.example/x%20y?q=1 HTTP/1.1\r\nHost: api.example\r\n\r\n"
POST = b"POST http://api.example/ HTTP/1.1\r\nHost: api.example\r\n"
MIB = 1024 * 1024
OLD = ABSOLUTE.replace(b"HTTP/1.1", b"HTTP/1.0")


def with_field(request: bytes, field: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")


async def body_of(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message["body"]
        if not message["more_body"]:
            return body


async def respond(send: Send, body: bytes = b"", status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, await body_of(receive))


class Seen:
    """An app that keeps the scopes it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await respond(send, await body_of(receive) or b"ok")


async def test_absolute_form(start_proxy: Any) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.client()
    request = ABSOLUTE.replace(
        b"\r\n\r\n", b"\r\nProxy-Authorization: Basic Zm9v\r\nX-Amaze-Turn: t\r\nTE: x\r\n\r\n"
    )
    assert (await client.ask(request)).body == b"ok"
    scope = app.scopes[0]
    ingress = scope["extensions"]["amaze"]
    assert (ingress.form, str(ingress.authority)) == ("absolute", "http://api.example")
    assert (ingress.proxy_authorization, ingress.tunnel_id) == (b"Basic Zm9v", "")
    assert ingress.peer.startswith("127.0.0.1:")
    assert scope["headers"] == [(b"host", b"api.example"), (b"x-amaze-turn", b"t")]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/x y", b"/x%20y", b"q=1")
    assert (scope["scheme"], scope["server"]) == ("http", ("api.example", 80))
    assert (scope["method"], scope["http_version"], scope["type"]) == ("GET", "1.1", "http")


async def test_origin_form_is_for_our_own_endpoints(start_proxy: Any) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    await client.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [s["path"] for s in app.scopes] == ["/health", "*"]
    for scope in app.scopes:
        assert scope["extensions"]["amaze"].form == "origin"
        assert scope["extensions"]["amaze"].authority is None
        assert scope["server"] == ("127.0.0.1", proxy.port)


async def test_keep_alive_and_pipelining(start_proxy: Any) -> None:
    proxy = await start_proxy(echo)
    client = await proxy.client()
    for body in (b"one", b"two"):
        reply = await client.ask(POST + b"Content-Length: 3\r\n\r\n" + body)
        assert (reply.body, "connection" in reply.headers) == (body, False)
    wire = b"".join(
        POST + b"Content-Length: 1\r\n\r\n%d" % n if n % 2 else
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n%d\r\n0\r\n\r\n" % n
        for n in range(9)
    )  # fmt: skip
    await client.send(wire)
    assert [(await client.reply()).body for _ in range(9)] == [b"%d" % n for n in range(9)]


async def test_pipelined_requests_wait_for_each_other(start_proxy: Any) -> None:
    running: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        running.append(1)
        assert len(running) == 1
        await asyncio.sleep(0)
        await respond(send)
        await asyncio.sleep(0)  # settling
        running.pop()

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE * 2000)
    for _ in range(2000):
        assert (await client.reply()).status == 200


async def test_cut_anywhere(start_proxy: Any) -> None:
    proxy = await start_proxy(echo)
    client = await proxy.client()
    wire = POST + b"Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
    for cut in range(1, len(wire), 3):
        await client.send(wire[:cut])
        await asyncio.sleep(0)
        assert (await client.ask(wire[cut:])).body == b"abcde"


@pytest.mark.parametrize(
    ("request_head", "closes"),
    [
        (OLD, True),
        (with_field(ABSOLUTE, b"Connection: close"), True),
        (with_field(OLD, b"Connection: Keep-Alive"), False),
    ],
)
async def test_connection_close(start_proxy: Any, request_head: bytes, closes: bool) -> None:
    proxy = await start_proxy(echo)
    client = await proxy.client()
    reply = await client.ask(request_head)
    assert reply.headers["connection"] == ("close" if closes else "keep-alive")
    if closes:
        assert await client.at_end() == b""
    else:
        assert (await client.ask(request_head)).status == 200


async def test_head_gets_no_body(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"hello")

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE.replace(b"GET", b"HEAD"))
    await client.reply(body=False)
    assert (await client.ask(ABSOLUTE)).body == b"hello"


async def test_streamed_parts_arrive_one_by_one(start_proxy: Any) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go.wait()
        for part in (b"one", b"two"):
            go.clear()
            await send({"type": "http.response.body", "body": part, "more_body": True})
            await go.wait()
        await send({"type": "http.response.body"})

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE)
    assert (await client.head())[1] == {"transfer-encoding": "chunked"}
    for wire in (b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"):
        go.set()
        assert await asyncio.wait_for(client.reader.readexactly(len(wire)), PATIENCE) == wire


async def test_100_continue_comes_when_the_body_is_asked_for(start_proxy: Any) -> None:
    proxy = await start_proxy(echo)
    client = await proxy.client()
    await client.send(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (await client.head())[0] == 100
    assert (await client.ask(b"hi")).body == b"hi"


async def test_no_100_when_the_body_is_not_wanted(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"no", 403)

    proxy = await start_proxy(app)
    client = await proxy.client()
    reply = await client.ask(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert (reply.status, reply.headers["connection"]) == (403, "close")
    assert await client.at_end() == b""


async def test_an_early_answer_is_not_reset_away(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"no", 403)

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(POST + b"Content-Length: 900000\r\n\r\n")
    await client.send(b"x" * 300_000)
    reply = await client.reply()
    for _ in range(6):
        await client.send(b"x" * 100_000)
    assert (reply.status, reply.body) == (403, b"no")
    assert await client.at_end() == b""


async def test_lingering_is_bounded(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, b"no", 403)

    proxy = await start_proxy(app, Limits(linger_bytes=1000))
    client = await proxy.client()
    await client.ask(POST + b"Content-Length: 90000000\r\n\r\n")
    with pytest.raises(OSError):
        while True:
            await client.send(b"x" * 10_000)


BAD = {
    "te-cl": (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "obs-fold": (POST + b"X: 1\r\n 2\r\n\r\n", 400),
    "bare lf": (b"GET http://api.example/ HTTP/1.1\nHost: api.example\n\n", 400),
    "control byte": (POST + b"X: \x01\r\n\r\n", 400),
    "two hosts": (POST + b"Host: api.example\r\n\r\n", 400),
    "host differs": (ABSOLUTE.replace(b"Host: api", b"Host: other"), 400),
    "https absolute": (ABSOLUTE.replace(b"http://", b"https://"), 400),
    "our via": (POST + b"Via: 1.1 amaze\r\n\r\n", 400),
    "trace": (ABSOLUTE.replace(b"GET", b"TRACE"), 405),
    "too large": (POST + b"Content-Length: 1001\r\n\r\n", 413),
    "uri": (b"GET http://api.example/" + b"x" * 20_000, 414),
    "fields": (POST + b"X: 1\r\n" * 200 + b"\r\n", 431),
    "connect with a body": (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00", 400),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused_recorded_and_closed(start_proxy: Any, name: str) -> None:
    app = Seen()
    proxy = await start_proxy(app, Limits(body_bytes=1000))
    client = await proxy.client()
    wire, status = BAD[name]
    await client.send(wire + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, reply.headers["connection"], reply.body) == (status, "close", b"refused")
    assert await client.at_end() == b""
    fault = await proxy.gate.one_fault()
    assert (fault.status, bool(fault.detail)) == (status, True)
    assert reply.headers["x-fault"] == fault.kind
    assert app.scopes == []


async def test_a_fault_says_who_and_keeps_no_secret(start_proxy: Any) -> None:
    proxy = await start_proxy(echo)
    client = await proxy.client()
    await client.ask(POST + b"Proxy-Authorization: Basic c2VjcmV0\r\nX : 1\r\n\r\n")
    fault = await proxy.gate.one_fault()
    assert fault.proxy_authorization == b"Basic c2VjcmV0"
    assert b"c2VjcmV0" not in fault.head
    assert fault.head.startswith(b"POST http://api.example/ HTTP/1.1\r\n")
    assert fault.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("wire", "kind"),
    [(b"zz\r\n", FaultKind.MALFORMED), (b"ffff\r\n", FaultKind.TOO_LARGE)],
)
async def test_a_broken_body_faults(start_proxy: Any, wire: bytes, kind: FaultKind) -> None:
    proxy = await start_proxy(echo, Limits(body_bytes=1000))
    client = await proxy.client()
    reply = await client.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n" + wire)
    assert (reply.status, reply.body) == (kind.status, b"refused")
    assert (await proxy.gate.one_fault()).kind is kind
    assert await client.at_end() == b""


async def test_an_app_may_answer_a_broken_body_itself(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await body_of(receive)
        except BodyFault as error:
            await respond(send, error.fault.kind.encode(), error.fault.status)

    proxy = await start_proxy(app)
    client = await proxy.client()
    reply = await client.ask(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert (reply.status, reply.body, reply.headers["connection"]) == (400, b"malformed", "close")
    assert proxy.gate.faults == []


async def test_a_slow_body_times_out(start_proxy: Any) -> None:
    proxy = await start_proxy(echo, Limits(body_idle_s=0.05))
    client = await proxy.client()
    reply = await client.ask(POST + b"Content-Length: 5\r\n\r\nhi")
    assert reply.status == 408
    assert (await proxy.gate.one_fault()).kind is FaultKind.TIMEOUT


async def test_a_slow_head_times_out_and_others_do_not_notice(start_proxy: Any) -> None:
    proxy = await start_proxy(echo, Limits(head_s=PATIENCE))
    good, slow = await proxy.client(), await proxy.client()
    assert (await good.ask(ABSOLUTE)).status == 200
    deadlines = set()
    for sent in range(1, len(ABSOLUTE)):
        await slow.send(ABSOLUTE[sent - 1 : sent])
        inside = await proxy.inside(slow, lambda one, sent=sent: len(one._heads.buffered) == sent)
        deadlines.add(inside._deadline._when)
    assert len(deadlines) == 1  # no byte moved it
    proxy.expire(inside)
    assert (await slow.reply()).status == 408
    assert (await proxy.gate.one_fault()).kind is FaultKind.TIMEOUT
    assert (await good.ask(ABSOLUTE)).status == 200


@pytest.mark.parametrize("asked_before", [True, False])
async def test_idle_connections_end_quietly(start_proxy: Any, asked_before: bool) -> None:
    limits = Limits(keepalive_s=0.05) if asked_before else Limits(head_s=0.05)
    proxy = await start_proxy(echo, limits)
    client = await proxy.client()
    if asked_before:
        await client.ask(ABSOLUTE)
    assert await client.at_end() == b""
    assert proxy.gate.faults == []


class Vanishing:
    """An app that waits for ever, and notes how it ended."""

    def __init__(self, started: bool) -> None:
        self._started = started
        self.called = asyncio.Event()
        self.ended = asyncio.Event()
        self.cancelled = 0
        self.afterwards: object = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        self.called.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.afterwards = (await receive())["type"]
            await asyncio.sleep(0)  # settling is awaited, not cancelled again
            with pytest.raises(ClientDisconnected):
                await send({"type": "http.response.body", "body": b"x"})
            self.ended.set()
            raise


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("orderly", [True, False])
async def test_a_client_that_leaves_cancels_the_app(
    start_proxy: Any, started: bool, orderly: bool
) -> None:
    app = Vanishing(started)
    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(POST + b"Content-Length: 0\r\n\r\n")
    await asyncio.wait_for(app.called.wait(), PATIENCE)
    if orderly:
        client.writer.close()
    else:
        client.vanish()
    await asyncio.wait_for(app.ended.wait(), PATIENCE)
    assert (app.cancelled, app.afterwards) == (1, "http.disconnect")


async def test_a_client_that_leaves_after_the_response_does_not_cancel(start_proxy: Any) -> None:
    settled = asyncio.Event()
    left = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        await left.wait()
        for _ in range(20):
            await asyncio.sleep(0.001)
        settled.set()

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.ask(ABSOLUTE)
    client.vanish()
    left.set()
    await asyncio.wait_for(settled.wait(), PATIENCE)


async def test_receive_says_disconnect_after_the_response(start_proxy: Any) -> None:
    kinds: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await body_of(receive)
        listening = asyncio.create_task(receive())  # as StreamingResponse does
        await asyncio.sleep(0)
        await respond(send)
        kinds.append((await listening)["type"])
        kinds.append((await receive())["type"])

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.ask(ABSOLUTE)
    await client.ask(ABSOLUTE)
    assert kinds[:2] == ["http.disconnect", "http.disconnect"]


async def test_an_app_that_fails_before_it_answers_is_a_refusal(
    start_proxy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("with a secret in it")

    proxy = await start_proxy(app)
    client = await proxy.client()
    reply = await client.ask(ABSOLUTE)
    assert (reply.status, json.loads(reply.body)) == (403, {"reason": "internal-error"})
    assert await client.at_end() == b""
    assert proxy.gate.faults == []
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_an_app_that_cuts_its_answer_on_purpose_has_not_failed(
    start_proxy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise AnswerCut

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE)
    assert not (await client.at_end()).endswith(b"0\r\n\r\n")
    assert caplog.text == ""


async def test_an_app_that_does_not_answer_is_a_refusal(start_proxy: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    proxy = await start_proxy(app)
    assert (await (await proxy.client()).ask(ABSOLUTE)).status == 403


@pytest.mark.parametrize("length", [b"100", None])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_an_app_that_fails_in_mid_stream_never_looks_complete(
    start_proxy: Any, length: bytes | None, version: bytes
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [] if length is None else [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await asyncio.sleep(0.01)
        raise ValueError

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE.replace(b"HTTP/1.1", b"HTTP/" + version))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.reply()


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]}],
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "websocket.accept"}],
        [{"type": "http.response.start", "status": 99, "headers": []}],
    ],
)
async def test_an_app_that_errs_is_a_refusal(
    start_proxy: Any, messages: list[dict[str, Any]]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    proxy = await start_proxy(app)
    assert (await (await proxy.client()).ask(ABSOLUTE)).status == 403


async def test_a_gatekeeper_that_fails_refuses(start_proxy: Any) -> None:
    proxy = await start_proxy(echo)

    async def broken(*_: object) -> Answer:
        raise RuntimeError

    proxy.gate.fault = broken
    proxy.gate.connect = broken
    for wire in (b"GET x HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT a.example:443 HTTP/1.1\r\n\r\n"):
        client = await proxy.client()
        assert (await client.ask(wire)).status == 403


async def test_the_app_is_not_read_ahead_of(start_proxy: Any) -> None:
    """A client that sends faster than the app reads has to wait."""
    go = asyncio.Event()
    received = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal received
        await go.wait()
        while True:
            message = await receive()
            received += len(message["body"])
            if not message["more_body"]:
                return await respond(send)

    proxy = await start_proxy(app, Limits(buffer_bytes=64 * 1024))
    client = await proxy.client()
    total = 64 * MIB
    await client.send(POST + b"Content-Length: %d\r\n\r\n" % total)
    for _ in range(total // MIB):
        client.writer.write(bytes(MIB))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.writer.drain(), 0.2)
    go.set()
    assert (await client.reply()).status == 200
    assert received == total


async def test_the_app_waits_for_a_slow_client(start_proxy: Any) -> None:
    sent = 0
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(MIB), "more_body": True})
            sent += MIB
        await send({"type": "http.response.body"})
        done.set()

    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(done.wait(), 0.2)
    assert sent < 32 * MIB
    assert len((await client.reply()).body) == 64 * MIB


async def test_a_client_that_takes_nothing_is_dropped(start_proxy: Any) -> None:
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(MIB), "more_body": True})
        except asyncio.CancelledError:
            cancelled.set()
            raise

    proxy = await start_proxy(app, Limits(write_idle_s=0.05))
    sock = socket.create_connection(("127.0.0.1", proxy.port))
    sock.sendall(ABSOLUTE)
    await asyncio.wait_for(cancelled.wait(), PATIENCE)
    sock.close()


async def test_100_mb_both_ways_in_flat_memory(start_proxy: Any) -> None:
    total = 100 * MIB

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        length = [(b"content-length", b"%d" % total)]
        more = True
        while more:
            more = (await receive())["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for left in reversed(range(total // MIB)):
            body = {"type": "http.response.body", "body": bytes(MIB), "more_body": left > 0}
            await send(body)

    proxy = await start_proxy(app)
    client = await proxy.client()
    gc.collect()
    tracemalloc.start()
    try:
        await client.send(POST + b"Content-Length: %d\r\n\r\n" % total)
        piece = bytes(64 * 1024)
        for _ in range(total // len(piece)):
            await client.send(piece)
        await client.head()
        got = 0
        while got < total:
            got += len(await client.reader.read(MIB))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


async def test_drain_lets_what_is_in_flight_finish(start_proxy: Any) -> None:
    go = asyncio.Event()
    called = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.set()
        await go.wait()
        await respond(send, b"done")

    proxy = await start_proxy(app)
    idle, busy = await proxy.client(), await proxy.client()
    await busy.send(ABSOLUTE)
    await asyncio.wait_for(called.wait(), PATIENCE)
    draining = asyncio.create_task(proxy.server.drain())
    assert await idle.at_end() == b""
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    go.set()
    reply = await busy.reply()
    assert (reply.body, reply.headers["connection"]) == (b"done", "close")
    busy.writer.close()
    idle.writer.close()
    await asyncio.wait_for(draining, PATIENCE)
    await asyncio.wait_for(proxy.serving, PATIENCE)


async def test_drain_is_capped(start_proxy: Any) -> None:
    app = Vanishing(started=True)
    proxy = await start_proxy(app, Limits(drain_s=0.05))
    client = await proxy.client()
    await client.send(ABSOLUTE)
    await asyncio.wait_for(app.called.wait(), PATIENCE)
    await asyncio.wait_for(proxy.server.drain(), PATIENCE)
    assert app.ended.is_set()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.reply()


async def test_a_flood_after_a_fault_is_not_read(start_proxy: Any) -> None:
    proxy = await start_proxy(echo, Limits(linger_bytes=100_000))
    go = asyncio.Event()
    answer = proxy.gate.fault

    async def slowly(fault: Fault) -> Answer:
        await go.wait()
        return await answer(fault)

    proxy.gate.fault = slowly
    client = await proxy.client()
    await client.send(b"GET x HTTP/1.1\r\nHost: x\r\n\r\n")
    client.writer.write(bytes(64 * MIB))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.writer.drain(), 0.1)
    go.set()
    await asyncio.wait_for(proxy.gate.recorded.wait(), PATIENCE)
    client.vanish()


async def test_serving_may_be_cancelled(start_proxy: Any) -> None:
    app = Vanishing(started=False)
    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(ABSOLUTE)
    await asyncio.wait_for(app.called.wait(), PATIENCE)
    proxy.serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await proxy.serving
    assert app.ended.is_set()
    proxy.serving = asyncio.create_task(asyncio.sleep(0))
