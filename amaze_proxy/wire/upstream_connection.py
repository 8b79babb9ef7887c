"""One connection to an upstream: a request at a time."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import ResponseHead
from amaze_proxy.wire.line import Line
from amaze_proxy.wire.response_reader import ResponseReader
from amaze_proxy.wire.timer import Deadline
from amaze_proxy.wire.tls import TlsSession
from amaze_proxy.wire.upstream_errors import BrokenResponse, Unreachable, UpstreamTimeout

_HIGH_WATER = 256 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_byte_s` runs from the end of the request, `idle_s` between two reads of a
    response; `keepalive_s` is how long an unused connection is kept."""

    connect_s: float = 10.0
    tls_s: float = 10.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    write_idle_s: float = 60.0
    keepalive_s: float = 60.0


class UpstreamConnection(asyncio.Protocol):
    """Not for concurrent use. `on_end` is called once, when the connection is gone."""

    __slots__ = (
        "_buffered",
        "_chunks",
        "_deadline",
        "_error",
        "_loop",
        "_poll",
        "_reader",
        "_shaking",
        "_timeouts",
        "_waiter",
        "line",
        "on_end",
    )

    line: Line

    def __init__(self, loop: asyncio.AbstractEventLoop, timeouts: Timeouts) -> None:
        self._loop = loop
        self._timeouts = timeouts
        self._deadline = Deadline(loop, self._expired)
        self._reader: ResponseReader | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._shaking = False
        self._poll = select.poll()
        self.on_end: Callable[[UpstreamConnection], None] | None = None

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base
        self.line = Line(self._loop, transport, self._timeouts.write_idle_s)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        tls = self.line.tls
        if tls is None:
            self._received(data)
            return
        tls.feed(data)
        if self._shaking:
            self._wake()
            return
        try:
            plain = tls.read()
        except ssl.SSLError as error:
            self.fail(BrokenResponse(f"TLS failed: {error.reason}"))
            return
        self.line.flush_tls()
        if plain:
            self._received(plain)
        if tls.closed:
            self._at_end(in_order=True)

    def eof_received(self) -> None:
        self._at_end(in_order=self.line.tls is None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_end(in_order=False)
        self._deadline.close()
        self.line.resume_writing()
        if self.on_end is not None:
            self.on_end(self)
            self.on_end = None

    def pause_writing(self) -> None:
        self.line.pause_writing()

    def resume_writing(self) -> None:
        self.line.resume_writing()

    # TLS

    async def handshake(self, context: ssl.SSLContext, server_name: str) -> None:
        """Put TLS on the line; the certificate must be for `server_name`.

        Raises Unreachable, UpstreamTimeout.
        """
        self.line.tls = tls = TlsSession(context, server_side=False, server_name=server_name)
        self._shaking = True
        self._deadline.arm(self._timeouts.tls_s)
        try:
            while not tls.handshake():
                self.line.flush_tls()
                await self._wait()
                if self._error is not None:
                    raise self._error
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or "unknown error"
            raise Unreachable(f"TLS with {server_name} failed: {reason}") from None
        finally:
            self.line.flush_tls()
            self._shaking = False
            self._deadline.disarm()

    # A request

    def begin(self, method: str, data: bytes) -> None:
        """Send the (first part of a) request, and read what comes as its response."""
        self._reader = ResponseReader(method)
        self._deadline.disarm()
        self.line.write(data)

    def sent(self) -> None:
        """The request is sent: the upstream's time for the first byte runs."""
        if self._reader is not None and self._reader.head is None:
            self._deadline.arm(self._timeouts.first_byte_s)

    @property
    def heard(self) -> bool:
        """Whether a byte of the present response has come."""
        return self._reader is not None and self._reader.heard

    async def head(self) -> ResponseHead:
        """The response's head. Raises what the exchange failed with."""
        reader = self._reader
        assert reader is not None  # noqa: S101
        while reader.head is None:
            if self._error is not None:
                raise self._error
            await self._wait()
        self._deadline.disarm()
        return reader.head

    async def chunk(self) -> bytes:
        """The next part of the body; b'' at its end. Raises what the exchange failed with."""
        reader = self._reader
        assert reader is not None  # noqa: S101
        while not self._chunks:
            if reader.done:
                return b""
            if self._error is not None:
                raise self._error
            self._deadline.arm(self._timeouts.idle_s)
            try:
                await self._wait()
            finally:
                self._deadline.disarm()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        self.line.resume_reading()
        return data

    @property
    def complete(self) -> bool:
        """Whether the response was read to its end."""
        return self._reader is not None and self._reader.done and not self._chunks

    # Between requests

    @property
    def reusable(self) -> bool:
        """Whether another request may follow the complete response."""
        reader = self._reader
        return (
            reader is not None
            and reader.reusable
            and not self._chunks
            and self._error is None
            and not self.line.closing
        )

    def rest(self) -> None:
        """Wait for the next request, for at most `keepalive_s`."""
        self._reader = None
        self._deadline.arm(self._timeouts.keepalive_s)

    def fresh(self) -> bool:
        """Whether a resting connection can still be used: nothing came, not even its end.

        Asks the kernel, because the event loop may not have looked yet; a request on a connection
        that the upstream has closed would be lost, and a POST must not be sent twice.
        """
        return self._error is None and not self.line.closing and not self._poll.poll(0)

    def fail(self, error: BaseException) -> None:
        """Give the connection up; whoever waits gets `error`."""
        if self._error is None:
            self._error = error
        self.line.abort()
        self._wake()

    def abort(self) -> None:
        """Drop the connection."""
        self.line.abort()

    # Inside

    def _received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            self.fail(BrokenResponse("the upstream sent bytes that nobody asked for"))
            return
        try:
            payload = reader.feed(data)
        except Malformed as error:
            self.fail(BrokenResponse(f"the response is malformed: {error}"))
            return
        if payload:
            self._chunks.append(payload)
            self._buffered += len(payload)
            if self._buffered > _HIGH_WATER:
                self.line.pause_reading()
        self._wake()

    def _at_end(self, *, in_order: bool) -> None:
        reader = self._reader
        if self._error is None:
            if reader is None:
                self._error = BrokenResponse("the upstream closed the connection")
            else:
                try:
                    reader.end(in_order=in_order)
                except Malformed as error:
                    self._error = BrokenResponse(str(error))
        self.line.close()
        self._wake()

    def _expired(self) -> None:
        reader = self._reader
        if self._shaking:
            detail = "the TLS handshake took too long"
        elif reader is None:
            detail = "the connection was idle"
        elif reader.head is None:
            detail = f"no answer within {self._timeouts.first_byte_s:g} s"
        else:
            detail = f"nothing more within {self._timeouts.idle_s:g} s"
        self.fail(UpstreamTimeout(detail))

    async def _wait(self) -> None:
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
