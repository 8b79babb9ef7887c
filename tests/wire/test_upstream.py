"""Requests to upstreams, over real sockets, on both loops."""

from __future__ import annotations

import asyncio
import gc
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.tls import TlsSession
from amaze_proxy.wire.upstream import (
    BrokenResponse,
    Target,
    Timeouts,
    UpstreamError,
    UpstreamResponse,
    Upstreams,
    UpstreamTimeout,
)
from tests.patience import PATIENCE

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
API = Authority("https", "api.example", 443)


@pytest.fixture
async def make_upstreams(strict_context: ssl.SSLContext) -> AsyncIterator[Callable[..., Upstreams]]:
    made: list[Upstreams] = []

    def make(**options: Any) -> Upstreams:
        made.append(Upstreams(tls=strict_context, **options))
        return made[-1]

    yield make
    for upstreams in made:
        async with asyncio.timeout(PATIENCE):
            await upstreams.aclose()


class Server:
    """A raw upstream: answers each request on a connection with the next of `answers`."""

    def __init__(self, *answers: bytes, close: bool = False) -> None:
        self.answers = answers
        self.close = close
        self.connections = 0
        self.requests: list[bytes] = []
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for answer in self.answers:
                self.requests.append(await read_request(reader))
                writer.write(answer)
                await writer.drain()
            if not self.close:
                await reader.read()
        finally:
            self.ended.set()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if b"\r\ncontent-length: " in head:
        length = int(head.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        return head + await reader.readexactly(length)
    if b"\r\ntransfer-encoding: chunked" in head:
        return head + await reader.readuntil(b"0\r\n\r\n")
    return head


async def body_of(response: UpstreamResponse) -> bytes:
    return b"".join([chunk async for chunk in response.chunks()])


def at(there: Authority, owner: str = "agent-1") -> Target:
    return Target(API, dial=there, allow_private=True, owner=owner)


async def get(upstreams: Upstreams, target: Target) -> bytes:
    response = await upstreams.send(target, "GET", b"/", [], b"")
    return await body_of(response)


@pytest.mark.parametrize("tls", [True, False])
async def test_a_request(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache, tls: bool
) -> None:
    server = Server(
        b"HTTP/1.1 201 Made\r\nContent-Type: a/b\r\nContent-Length: 2\r\nConnection: x\r\n"
        b"X: 1\r\nTransfer-Thing: y\r\n\r\nok"
    )
    there = await start_upstream(server, tls=leaves.context_for("api.example") if tls else None)
    headers = [
        (b"host", b"spoofed"),
        (b"content-type", b"a/b"),
        (b"content-length", b"99"),
        (b"x-amaze-bearer", b"secret"),
    ]
    upstreams = make_upstreams(via="pseudo")
    response = await upstreams.send(at(there), "POST", b"/v1?x=%2F", headers, b"hello")
    assert (response.status, response.content_length) == (201, 2)
    assert response.headers == [(b"content-type", b"a/b"), (b"transfer-thing", b"y")]
    assert await body_of(response) == b"ok"
    await response.aclose()
    assert server.requests == [
        b"POST /v1?x=%2F HTTP/1.1\r\nhost: api.example\r\ncontent-type: a/b\r\n"
        b"via: 1.1 pseudo\r\ncontent-length: 5\r\n\r\nhello"
    ]


async def test_connections_are_reused_but_never_between_owners(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache
) -> None:
    server = Server(OK, OK, OK)
    there = await start_upstream(server, tls=leaves.context_for("api.example"))
    upstreams = make_upstreams()
    for _ in range(2):
        assert await get(upstreams, at(there)) == b"ok"
    assert server.connections == 1
    await get(upstreams, at(there, "agent-2"))
    assert server.connections == 2
    await get(upstreams, at(there))
    assert server.connections == 2


async def test_other_authorities_have_other_connections(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(OK, OK)
    there = await start_upstream(server)
    upstreams = make_upstreams()
    for host in ("a.example", "b.example"):
        target = Target(Authority("http", host, 80), dial=there, allow_private=True)
        await get(upstreams, target)
    assert server.connections == 2


async def test_a_connection_that_the_upstream_closed_is_not_reused(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(OK, close=True)
    there = await start_upstream(server)
    upstreams = make_upstreams()
    for _ in range(3):
        response = await upstreams.send(at(there), "POST", b"/", [], b"once")
        assert await body_of(response) == b"ok"
        await asyncio.wait_for(server.ended.wait(), PATIENCE)
        async with asyncio.timeout(PATIENCE):
            while upstreams._pool:  # until it has seen the end
                await asyncio.sleep(0.001)
    assert server.connections == 3
    assert len(server.requests) == 3


class ClosesOnTheSecond(Server):
    """Takes a second request on a connection, and closes without a byte of an answer."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await read_request(reader))
        writer.write(OK)
        self.requests.append(await read_request(reader))


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_only_idempotent_requests_are_sent_again(
    start_upstream: Any, make_upstreams: Any, method: str
) -> None:
    server = ClosesOnTheSecond()
    there = await start_upstream(server)
    upstreams = make_upstreams()
    await get(upstreams, at(there))
    if method == "POST":
        with pytest.raises(BrokenResponse):
            await upstreams.send(at(there), method, b"/", [], b"x")
        assert (server.connections, len(server.requests)) == (1, 2)
    else:
        response = await upstreams.send(at(there), method, b"/", [], b"x")
        assert await body_of(response) == b"ok"
        assert server.connections == 2


BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "not http": b"SSH-2.0-x\r\n\r\n",
    "CL and TE": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two CLs": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\n\r\n\r\nok",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\n\r\n",
    "short CL": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("tls", [True, False])
async def test_broken_responses(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache, name: str, tls: bool
) -> None:
    server = Server(BROKEN[name], close=True)
    there = await start_upstream(server, tls=leaves.context_for("api.example") if tls else None)
    with pytest.raises(BrokenResponse):
        await get(make_upstreams(), at(there))


async def test_what_came_before_the_break_is_given(
    start_upstream: Any, make_upstreams: Any
) -> None:
    there = await start_upstream(Server(BROKEN["short CL"], close=True))
    response = await make_upstreams().send(at(there), "GET", b"/", [], b"")
    got = b""
    with pytest.raises(BrokenResponse):
        async for chunk in response.chunks():
            got += chunk
    await response.aclose()
    assert got == b"ok"


@pytest.mark.parametrize("tls", [True, False])
async def test_until_close(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache, tls: bool
) -> None:
    there = await start_upstream(
        Server(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True),
        tls=leaves.context_for("api.example") if tls else None,
    )
    assert await get(make_upstreams(), at(there)) == b"all of it"


async def test_until_close_needs_an_end_in_order_inside_tls(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache
) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nnot all of it")
        await asyncio.sleep(0.01)
        writer.transport.abort()  # FIN, but no close_notify: anybody on the way can do that

    there = await start_upstream(cut, tls=leaves.context_for("api.example"))
    with pytest.raises(BrokenResponse):
        await get(make_upstreams(), at(there))


async def test_interim_responses_are_skipped(start_upstream: Any, make_upstreams: Any) -> None:
    there = await start_upstream(Server(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK))
    assert await get(make_upstreams(), at(there)) == b"ok"


async def test_unasked_bytes_end_an_idle_connection(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(OK + b"HTTP/1.1 200 OK\r\n", OK)
    there = await start_upstream(server)
    upstreams = make_upstreams()
    assert await get(upstreams, at(there)) == b"ok"
    server.answers = (OK,)
    assert await get(upstreams, at(there)) == b"ok"
    assert server.connections == 2


async def test_chunks_come_as_they_are_sent(start_upstream: Any, make_upstreams: Any) -> None:
    go = asyncio.Event()

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            writer.write(b"3\r\none\r\n")
            await go.wait()
            go.clear()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    there = await start_upstream(stream)
    response = await make_upstreams().send(at(there), "GET", b"/", [], b"")
    seen = []
    async for chunk in response.chunks():
        seen.append(chunk)
        go.set()
    assert seen == [b"one"] * 3


async def test_closing_a_response_stops_the_upstream(
    start_upstream: Any, make_upstreams: Any
) -> None:
    stopped = asyncio.Event()

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"5\r\nhello\r\n")
                await writer.drain()
                await asyncio.sleep(0.001)
        finally:
            stopped.set()

    there = await start_upstream(endless)
    response = await make_upstreams().send(at(there), "GET", b"/", [], b"")
    async for _ in response.chunks():
        break
    await response.aclose()
    await asyncio.wait_for(stopped.wait(), PATIENCE)


async def test_cancelling_a_request_closes_its_connection(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(b"", close=False)
    there = await start_upstream(server)
    upstreams = make_upstreams()
    task = asyncio.create_task(upstreams.send(at(there), "GET", b"/", [], b""))
    async with asyncio.timeout(PATIENCE):
        while not server.requests:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.ended.wait()


@pytest.mark.parametrize(
    ("answer", "timeouts"),
    [
        (b"", Timeouts(first_byte_s=0.05)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Timeouts(first_byte_s=0.05)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", Timeouts(idle_s=0.05)),
    ],
)
async def test_timeouts(
    start_upstream: Any, make_upstreams: Any, answer: bytes, timeouts: Timeouts
) -> None:
    there = await start_upstream(Server(answer))
    with pytest.raises(UpstreamTimeout, match="within"):
        await get(make_upstreams(timeouts=timeouts), at(there))


async def test_an_idle_connection_is_closed_in_time(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    await get(make_upstreams(timeouts=Timeouts(keepalive_s=0.05)), at(there))
    await asyncio.wait_for(server.ended.wait(), PATIENCE)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("length", [b"11", None])
async def test_a_streamed_body(
    start_upstream: Any, make_upstreams: Any, length: bytes | None
) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    headers = [] if length is None else [(b"content-length", length)]
    body = pieces(b"hello", b"", b" world")
    response = await make_upstreams().send(at(there), "POST", b"/", headers, body)
    assert await body_of(response) == b"ok"
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    if length is None:
        assert head.endswith(b"transfer-encoding: chunked")
        assert sent == b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    else:
        assert head.endswith(b"content-length: 11")
        assert sent == b"hello world"


@pytest.mark.parametrize("parts", [(b"hello", b" world!"), (b"hello",)])
async def test_a_streamed_body_must_fit_its_length(
    start_upstream: Any, make_upstreams: Any, parts: tuple[bytes, ...]
) -> None:
    there = await start_upstream(Server(OK))
    with pytest.raises(ValueError, match="Content-Length"):
        await make_upstreams().send(
            at(there), "POST", b"/", [(b"content-length", b"11")], pieces(*parts)
        )


async def test_a_body_that_breaks_breaks_the_request(
    start_upstream: Any, make_upstreams: Any
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"hello"
        raise LookupError

    server = Server(OK)
    there = await start_upstream(server)
    with pytest.raises(LookupError):
        await make_upstreams().send(at(there), "POST", b"/", [], breaking())
    await asyncio.wait_for(server.ended.wait(), PATIENCE)
    assert server.requests == []


async def test_an_answer_before_the_body_is_sent(start_upstream: Any, make_upstreams: Any) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
        await reader.read()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    there = await start_upstream(early)
    response = await make_upstreams().send(at(there), "POST", b"/", [], endless())
    assert response.status == 413
    assert await body_of(response) == b"no"


async def test_headers_for_this_upstream_alone(start_upstream: Any, make_upstreams: Any) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    headers = [(b"x-amaze-caller", b"me"), (b"x-amaze-bearer", b"secret")]
    response = await make_upstreams().send(
        at(there), "GET", b"/", headers, b"", keep={b"x-amaze-caller"}
    )
    await body_of(response)
    assert b"x-amaze-caller: me" in server.requests[0]
    assert b"secret" not in server.requests[0]


async def test_a_slow_reader_makes_the_upstream_wait(
    start_upstream: Any, make_upstreams: Any
) -> None:
    sent = 0

    async def fast(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(64):
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB
        await reader.read()

    there = await start_upstream(fast)
    response = await make_upstreams().send(at(there), "GET", b"/", [], b"")
    await asyncio.sleep(0.2)
    assert sent < 32 * MIB
    assert len(await body_of(response)) == 64 * MIB


@pytest.mark.parametrize("tls", [True, False])
async def test_100_mb_both_ways_in_flat_memory(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache, tls: bool
) -> None:
    total = 100 * MIB

    async def big(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = total
        while left:
            left -= len(await reader.read(MIB))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        piece = bytes(MIB)
        for _ in range(total // MIB):
            writer.write(piece)
            await writer.drain()
        await reader.read()

    async def body() -> AsyncIterator[bytes]:
        piece = bytes(64 * 1024)
        for _ in range(total // len(piece)):
            yield piece

    there = await start_upstream(big, tls=leaves.context_for("api.example") if tls else None)
    upstreams = make_upstreams()
    gc.collect()
    tracemalloc.start()
    try:
        headers = [(b"content-length", b"%d" % total)]
        response = await upstreams.send(at(there), "POST", b"/", headers, body())
        got = 0
        async for chunk in response.chunks():
            got += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == total
    assert peak < 10 * MIB


async def test_aclose_closes_everything(start_upstream: Any, make_upstreams: Any) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    upstreams = make_upstreams()
    await get(upstreams, at(there))
    await asyncio.wait_for(upstreams.aclose(), PATIENCE)
    await asyncio.wait_for(server.ended.wait(), PATIENCE)


async def test_a_large_body_in_memory(start_upstream: Any, make_upstreams: Any) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    data = bytes(range(256)) * 4096
    response = await make_upstreams().send(at(there), "PUT", b"/", [], data)
    assert await body_of(response) == b"ok"
    assert server.requests[0].endswith(b"content-length: 1048576\r\n\r\n" + data)


async def test_broken_tls_breaks_the_response(
    start_upstream: Any, make_upstreams: Any, leaves: LeafCache
) -> None:
    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = TlsSession(leaves.context_for("api.example"), server_side=True)
        while not tls.handshake():
            writer.write(tls.outgoing())
            tls.feed(await reader.read(65536))
        writer.write(tls.outgoing() + b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await reader.read()

    plain = await start_upstream(garble)
    there = Authority("https", plain.host, plain.port)
    with pytest.raises(BrokenResponse, match="TLS failed"):
        await get(make_upstreams(), at(there))


async def test_an_upstream_that_leaves_in_the_handshake(
    start_upstream: Any, make_upstreams: Any
) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    plain = await start_upstream(leave)
    with pytest.raises(UpstreamError):
        await get(make_upstreams(), at(Authority("https", plain.host, plain.port)))


async def test_too_many_idle_connections_are_closed(
    start_upstream: Any, make_upstreams: Any
) -> None:
    server = Server(OK)
    there = await start_upstream(server)
    upstreams = make_upstreams(max_idle=1)
    await get(upstreams, at(there, "a"))
    await get(upstreams, at(there, "b"))
    await asyncio.wait_for(server.ended.wait(), PATIENCE)
