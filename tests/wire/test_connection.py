"""CONNECT, what is inside a tunnel, and its TLS. On real sockets, on both loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import pytest

from amaze_proxy.wire.asgi import Receive, Scope, Send
from amaze_proxy.wire.ending import Stage
from amaze_proxy.wire.ingress import Answer, FaultKind
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.tls import TlsSession
from tests.patience import PATIENCE

INNER = b"GET /v1?x=1 HTTP/1.1\r\nHost: api.example\r\n\r\n"
REFUSAL = Answer(407, "Agent token missing", ((b"proxy-authenticate", b"Basic"),), b"no")


class Seen:
    """An app that keeps the scopes it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize(
    "connect",
    [
        b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n",
        b"CONNECT API.example.:443 HTTP/1.0\r\n",
        b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n"
        b"Proxy-Connection: Keep-Alive\r\n",
    ],
)
async def test_an_intercepted_tunnel(
    start_proxy: Any, strict_context: ssl.SSLContext, connect: bytes
) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.client()
    await client.send(connect + b"Proxy-Authorization: Basic Zm9v\r\n\r\n")
    status, headers = await client.head()
    assert (status, headers) == (200, {})
    await client.tls(strict_context, "api.example")
    for _ in range(3):
        assert (await client.ask(INNER)).body == b"/v1"
    assert [(str(a), p) for a, p in proxy.gate.connects] == [("https://api.example", b"Basic Zm9v")]
    scope = app.scopes[0]
    ingress = scope["extensions"]["amaze"]
    assert (ingress.form, str(ingress.authority)) == ("tunnel", "https://api.example")
    assert ingress.proxy_authorization == b"Basic Zm9v"
    assert len({s["extensions"]["amaze"].tunnel_id for s in app.scopes}) == 1
    assert ingress.tunnel_id
    assert (scope["scheme"], scope["server"]) == ("https", ("api.example", 443))
    assert scope["headers"] == [(b"host", b"api.example")]


async def test_an_ip_target_has_no_server_name(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel("127.0.0.1:8443")
    await client.tls(strict_context, "127.0.0.1")
    reply = await client.ask(INNER.replace(b"api.example", b"127.0.0.1:8443"))
    assert reply.status == 200


async def test_a_client_hello_may_come_with_the_connect(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.client()
    tls = TlsSession(strict_context, server_side=False, server_name="api.example")
    assert not tls.handshake()
    hello = tls.outgoing()
    await client.send(b"CONNECT api.example:443 HTTP/1.0\r\n\r\n" + hello[:7])
    await client.send(hello[7:])
    assert (await client.head())[0] == 200
    while not tls.handshake():
        tls.feed(await asyncio.wait_for(client.reader.read(65536), PATIENCE))
    await client.send(tls.outgoing() + tls.encrypt(INNER))
    plain = b""
    while b"/v1" not in plain:
        tls.feed(await asyncio.wait_for(client.reader.read(65536), PATIENCE))
        plain += tls.read()
    assert plain.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_the_inner_bytes_cut_anywhere(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    for cut in range(1, len(INNER), 2):
        await client.send(INNER[:cut])
        assert (await client.ask(INNER[cut:])).status == 200


async def test_plain_http_in_a_tunnel(start_proxy: Any) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel("api.example:80")
    assert (await client.ask(INNER)).status == 200
    ingress = app.scopes[0]["extensions"]["amaze"]
    assert (ingress.form, str(ingress.authority)) == ("tunnel", "http://api.example")
    assert app.scopes[0]["scheme"] == "http"


async def test_a_refused_connect_may_be_tried_again(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen(), refuse=REFUSAL)
    client = await proxy.client()
    connect = b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"
    reply = await client.ask(connect)
    assert (reply.status, reply.headers["proxy-authenticate"], reply.body) == (407, "Basic", b"no")
    assert "connection" not in reply.headers
    proxy.gate.refuse = None
    await client.send(connect)
    assert (await client.head())[0] == 200


async def test_early_tunnel_bytes_are_never_a_request(start_proxy: Any) -> None:
    app = Seen()
    proxy = await start_proxy(app, refuse=REFUSAL)
    client = await proxy.client()
    await client.send(b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n" + INNER)
    assert (await client.reply()).headers["connection"] == "close"
    assert await client.at_end() == b""
    assert app.scopes == []


MISMATCHED = [
    INNER.replace(b"api", b"other"),
    INNER.replace(b"api.example", b"api.example:444"),
    INNER.replace(b"api.example", b"sub.api.example"),
]


@pytest.mark.parametrize("inner", MISMATCHED)
@pytest.mark.parametrize("encrypted", [True, False])
async def test_the_inner_host_must_be_the_tunnels(
    start_proxy: Any, strict_context: ssl.SSLContext, inner: bytes, encrypted: bool
) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel("api.example:443" if encrypted else "api.example:80")
    if encrypted:
        await client.tls(strict_context, "api.example")
    assert (await client.ask(inner)).status == 400
    fault = await proxy.gate.one_fault()
    assert fault.kind is FaultKind.AUTHORITY_MISMATCH
    assert fault.authority is not None
    assert fault.authority.host == "api.example"
    assert app.scopes == []


async def test_the_second_request_is_checked_too(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    assert (await client.ask(INNER)).status == 200
    assert (await client.ask(MISMATCHED[0])).status == 400


@pytest.mark.parametrize(
    ("inner", "status"),
    [
        (b"CONNECT / HTTP/1.1\r\nHost: api.example\r\n\r\n", 405),
        (b"CONNECT b.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n", 405),
        (b"GET https://api.example/ HTTP/1.1\r\nHost: api.example\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: api.example\r\nUpgrade: websocket\r\n\r\n", 400),
    ],
)
async def test_bad_requests_inside_are_answered_inside(
    start_proxy: Any, strict_context: ssl.SSLContext, inner: bytes, status: int
) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    assert (await client.ask(INNER)).status == 200
    reply = await client.ask(inner)
    assert (reply.status, reply.headers["connection"]) == (status, "close")
    assert len(app.scopes) == 1


async def test_the_server_name_must_be_the_tunnels(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    await client.tls(lenient, "fronted.example")
    assert (await client.reply()).status == 400
    assert (await proxy.gate.one_fault()).kind is FaultKind.AUTHORITY_MISMATCH
    assert app.scopes == []


@pytest.mark.parametrize(
    "inner",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"\x00\x01\x02",
        b"EHLO x\r\n",
        b"\x16\x02\x00",
    ],
)
@pytest.mark.parametrize("encrypted", [True, False])
async def test_the_proxy_is_no_relay(
    start_proxy: Any, strict_context: ssl.SSLContext, inner: bytes, encrypted: bool
) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    if encrypted:
        await client.tls(strict_context, "api.example")
    await client.send(inner)
    fault = await proxy.gate.one_fault()
    assert fault.kind is FaultKind.NOT_HTTP
    assert await client.at_end() == b""
    assert app.scopes == []


async def test_a_silent_tunnel_is_closed(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen(), Limits(tls_handshake_s=0.05))
    client = await proxy.tunnel()
    assert await client.at_end() == b""
    assert (await proxy.gate.one_fault()).kind is FaultKind.NOT_HTTP


async def test_a_stuck_handshake_is_closed(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen(), Limits(tls_handshake_s=PATIENCE))
    client = await proxy.tunnel()
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    inside = await proxy.inside(client, lambda one: one._stage is Stage.HANDSHAKE)
    proxy.expire(inside)
    assert await client.at_end() == b""
    assert (await proxy.gate.one_fault()).kind is FaultKind.TLS


def distrust(port: int) -> None:
    """What a blocking client does that has another trust store: it sends an alert."""
    untrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ssl.SSLCertVerificationError):
            untrusting.wrap_socket(sock, server_hostname="api.example")


async def test_a_client_that_does_not_trust_us_is_named(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen())
    await asyncio.to_thread(distrust, proxy.port)
    fault = await proxy.gate.one_fault()
    assert fault.kind is FaultKind.TLS
    assert "does not trust the proxy's CA" in fault.detail
    assert "ca.pem" in fault.detail


async def test_garbage_instead_of_a_handshake(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel()
    await client.send(b"\x16\x03\x01\x00\x05hello" * 10)
    assert (await proxy.gate.one_fault()).kind is FaultKind.TLS
    await client.at_end()


async def test_leaving_in_the_handshake_is_recorded(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel()
    await client.send(b"\x16\x03\x01\x02\x00\x01")
    await asyncio.sleep(0.01)
    client.vanish()
    assert (await proxy.gate.one_fault()).kind is FaultKind.TLS


async def test_leaving_before_that_is_not(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.tunnel()
    client.writer.write_eof()
    assert await client.at_end() == b""
    assert proxy.gate.faults == []


@pytest.mark.parametrize("length", [b"100", None])
async def test_a_stream_that_breaks_inside_tls_never_looks_complete(
    start_proxy: Any, strict_context: ssl.SSLContext, length: bytes | None
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [] if length is None else [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await asyncio.sleep(0.01)
        raise ValueError

    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    await client.send(INNER)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ssl.SSLError)):
        await client.reply()


async def test_a_client_that_leaves_its_tunnel_cancels_the_app(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    called, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    await client.send(INNER)
    await asyncio.wait_for(called.wait(), PATIENCE)
    client.writer.close()
    await asyncio.wait_for(cancelled.wait(), PATIENCE)


async def test_an_ordered_end_has_a_close_notify(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    proxy = await start_proxy(Seen())
    client = await proxy.client()
    await client.send(b"CONNECT api.example:443 HTTP/1.0\r\n\r\n")
    await client.head()
    tls = TlsSession(strict_context, server_side=False, server_name="api.example")
    while not tls.handshake():
        await client.send(tls.outgoing())
        tls.feed(await asyncio.wait_for(client.reader.read(65536), PATIENCE))
    await client.send(
        tls.outgoing() + tls.encrypt(INNER.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    )
    tls.feed(await client.at_end())
    assert tls.read().endswith(b"/v1")
    tls.read()
    assert tls.closed


async def test_large_bodies_inside_tls(start_proxy: Any, strict_context: ssl.SSLContext) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            part = {"type": "http.response.body", "body": message["body"], "more_body": more}
            await send(part)

    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    await client.tls(strict_context, "api.example")
    data = bytes(range(256)) * 8192
    head = b"POST / HTTP/1.1\r\nHost: api.example\r\nContent-Length: %d\r\n\r\n" % len(data)

    async def send() -> None:
        await client.send(head)
        for at in range(0, len(data), 50_000):
            await client.send(data[at : at + 50_000])

    sending = asyncio.create_task(send())
    assert (await client.reply()).body == data
    await sending


async def test_two_new_tunnels_mint_once(
    start_proxy: Any, strict_context: ssl.SSLContext, leaves: LeafCache
) -> None:
    proxy = await start_proxy(Seen())
    clients = [await proxy.tunnel("fresh.example:443") for _ in range(4)]
    await asyncio.gather(*(c.tls(strict_context, "fresh.example") for c in clients))
    chains = {c.writer.get_extra_info("ssl_object").getpeercert(True) for c in clients}
    assert len(chains) == 1


async def test_tls_that_breaks_later_ends_the_connection(
    start_proxy: Any, strict_context: ssl.SSLContext
) -> None:
    app = Seen()
    proxy = await start_proxy(app)
    client = await proxy.tunnel()
    tls = TlsSession(strict_context, server_side=False, server_name="api.example")
    while not tls.handshake():
        await client.send(tls.outgoing())
        tls.feed(await asyncio.wait_for(client.reader.read(65536), PATIENCE))
    await client.send(tls.outgoing() + b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with contextlib.suppress(ConnectionResetError):
        await client.at_end()
    assert app.scopes == []


async def test_a_flood_before_the_200_waits(start_proxy: Any) -> None:
    proxy = await start_proxy(Seen())
    go = asyncio.Event()

    async def slowly(*_: object) -> None:
        await go.wait()

    proxy.gate.connect = slowly
    client = await proxy.client()
    await client.send(b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example\r\n\r\n")
    client.writer.write(bytes(64 * 1024 * 1024))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.writer.drain(), 0.1)
    go.set()
    assert (await client.head())[0] == 200
    assert (await proxy.gate.one_fault()).kind is FaultKind.NOT_HTTP
