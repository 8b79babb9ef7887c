"""Requests to upstreams: pool, dial, send, stream the response back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Sequence
from functools import partial

from amaze_proxy.wire.addresses import Listener
from amaze_proxy.wire.dial import Dialler, Resolver, Target, system_resolver
from amaze_proxy.wire.fields import Headers
from amaze_proxy.wire.forwarding import declared_length, forwarded_headers, framing
from amaze_proxy.wire.http1 import ResponseHead
from amaze_proxy.wire.pool import Pool
from amaze_proxy.wire.tls import upstream_context
from amaze_proxy.wire.upstream_connection import Timeouts, UpstreamConnection
from amaze_proxy.wire.upstream_errors import (
    AddressRefused,
    BrokenResponse,
    Unreachable,
    UpstreamError,
    UpstreamTimeout,
)
from amaze_proxy.wire.writing import LAST_CHUNK, chunk, request_head

__all__ = [
    "AddressRefused",
    "BrokenResponse",
    "Target",
    "Timeouts",
    "Unreachable",
    "UpstreamError",
    "UpstreamResponse",
    "UpstreamTimeout",
    "Upstreams",
]

# RFC 9110 §9.2.2. POST is never sent twice: it costs money.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_PIECE = 64 * 1024

Body = bytes | AsyncIterator[bytes]
Release = Callable[[UpstreamConnection], None]


class UpstreamResponse:
    """A response whose body is still coming. Close it (`aclose`), whatever happens."""

    __slots__ = ("_connection", "_pump", "_release", "content_length", "headers", "status")

    def __init__(
        self,
        head: ResponseHead,
        connection: UpstreamConnection,
        release: Release,
        pump: asyncio.Task[None] | None,
    ) -> None:
        self.status = head.status
        self.headers: Headers = head.headers
        self.content_length = head.content_length
        self._connection: UpstreamConnection | None = connection
        self._release = release
        self._pump = pump

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. The upstream waits while nobody asks for more.

        Raises BrokenResponse when it is cut short, UpstreamTimeout.
        """
        while self._connection is not None:
            data = await self._connection.chunk()
            if self._connection.complete:
                await self.aclose()
            if data:
                yield data

    async def aclose(self) -> None:
        """Let go of the connection: back into the pool if the response is complete, else closed,
        which is what stops the upstream."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        pump = self._pump
        if pump is not None and not pump.done():
            pump.cancel()
            connection.abort()
        self._release(connection)


class Upstreams:
    """The way out. One instance a process.

    `forbidden` are listeners (address, port) of this installation: never a target. `via` is our
    pseudonym. `tls` is the verifying context (default: system roots).
    """

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        forbidden: Collection[Listener] = (),
        resolve: Resolver = system_resolver,
        timeouts: Timeouts | None = None,
        max_idle_per_key: int = 32,
        max_idle: int = 1024,
        via: str = "amaze",
    ) -> None:
        self._dialler = Dialler(
            tls or upstream_context(), timeouts or Timeouts(), resolve, forbidden
        )
        self._pool: Pool[UpstreamConnection] = Pool(max_idle_per_key, max_idle)
        self._via = b"1.1 " + via.encode("ascii")
        self._open: set[UpstreamConnection] = set()
        self._closed: asyncio.Event | None = None

    async def send(
        self,
        target: Target,
        method: str,
        raw_path: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: Body,
        *,
        keep: Collection[bytes] = (),
    ) -> UpstreamResponse:
        """Send a request and wait for the response's head.

        `raw_path` is origin-form with the query. A `body` that is an iterator is sent with the
        Content-Length of `headers`, or chunked. `keep` names `x-amaze-*` fields that this
        upstream is to get. Raises UpstreamError, and whatever the body's iterator raises.
        """
        length = len(body) if isinstance(body, bytes) else declared_length(headers)
        fields = forwarded_headers(headers, target.authority, self._via, keep)
        fields += framing(method, length)
        head = request_head(method, raw_path, fields)
        key = (target.owner, target.authority, target.dial)
        while True:
            connection = self._take(key)
            reused = connection is not None
            if connection is None:
                connection = await self._dialler.dial(target)
                connection.on_end = self._ended
                self._open.add(connection)
            try:
                return await self._exchange(connection, key, method, head, body, length)
            except BrokenResponse:
                again = reused and not connection.heard and method in _IDEMPOTENT
                if not again or not isinstance(body, bytes):
                    raise

    async def aclose(self) -> None:
        """Close every connection, also those in use."""
        self._pool.clear()
        self._closed = asyncio.Event()
        for connection in self._open:
            connection.abort()
        while self._open:
            self._closed.clear()
            await self._closed.wait()

    async def _exchange(
        self,
        connection: UpstreamConnection,
        key: Hashable,
        method: str,
        head: bytes,
        body: Body,
        length: int | None,
    ) -> UpstreamResponse:
        pump: asyncio.Task[None] | None = None
        try:
            if isinstance(body, bytes) and len(body) <= _PIECE:
                connection.begin(method, head + body)
                connection.sent()
            else:
                connection.begin(method, head)
                pieces = _pieces(body) if isinstance(body, bytes) else body
                pump = asyncio.get_running_loop().create_task(_pump(connection, pieces, length))
                pump.add_done_callback(partial(_pumped, connection))
            response = await connection.head()
        except BaseException:
            if pump is not None:
                pump.cancel()
            connection.abort()
            raise
        return UpstreamResponse(response, connection, partial(self._release, key), pump)

    def _take(self, key: Hashable) -> UpstreamConnection | None:
        while (connection := self._pool.take(key)) is not None:
            if connection.fresh():
                return connection
            connection.abort()
        return None

    def _release(self, key: Hashable, connection: UpstreamConnection) -> None:
        if self._closed is not None or not connection.reusable:
            connection.abort()
            return
        connection.rest()
        surplus = self._pool.put(key, connection)
        if surplus is not None:
            surplus.abort()

    def _ended(self, connection: UpstreamConnection) -> None:
        self._pool.discard(connection)
        self._open.discard(connection)
        if self._closed is not None:
            self._closed.set()


async def _pump(
    connection: UpstreamConnection, body: AsyncIterator[bytes], length: int | None
) -> None:
    """Send a body piece by piece, as fast as the upstream takes it."""
    left = length
    async for piece in body:
        if not piece:
            continue
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise ValueError("the body is longer than its Content-Length")
        connection.line.write(piece if length is not None else chunk(piece))
        await connection.line.drained()
    if left:
        raise ValueError("the body is shorter than its Content-Length")
    if length is None:
        connection.line.write(LAST_CHUNK)
    connection.sent()


def _pumped(connection: UpstreamConnection, pump: asyncio.Task[None]) -> None:
    if not pump.cancelled() and (error := pump.exception()) is not None:
        connection.fail(error)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]
