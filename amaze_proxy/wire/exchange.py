"""One request and its response: the ASGI `receive` and `send` of an application call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from amaze_proxy.wire.asgi import Message
from amaze_proxy.wire.bodies import BodyReader
from amaze_proxy.wire.http1 import RequestHead
from amaze_proxy.wire.ingress import BodyFault, ClientDisconnected
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.line import Line
from amaze_proxy.wire.response import ResponseWriter
from amaze_proxy.wire.timer import Deadline
from amaze_proxy.wire.writing import CONTINUE

_FLUSH_AT = 64 * 1024


class Exchange:
    """Carries one request's body in and its response out, both with back-pressure.

    What the application sends within one turn of the event loop goes out in one write.
    `must_close` asks, when the response head is made, whether the connection will close after it.
    """

    __slots__ = (
        "_body",
        "_body_fault",
        "_buffered",
        "_chunks",
        "_continue_due",
        "_deadline",
        "_delivered",
        "_event",
        "_flush_handle",
        "_gone",
        "_limits",
        "_line",
        "_loop",
        "_writer",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        line: Line,
        deadline: Deadline,
        limits: Limits,
        head: RequestHead,
        body: BodyReader,
        must_close: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._line = line
        self._deadline = deadline
        self._limits = limits
        self._body = body
        self._chunks: list[bytes] = []
        self._continue_due = head.expects_continue and not body.done
        self._buffered = 0
        self._delivered = False
        self._event: asyncio.Event | None = None
        self._body_fault: BodyFault | None = None
        self._gone = False
        self._flush_handle: asyncio.Handle | None = None
        self._writer = ResponseWriter(head.method, head.version, must_close)

    @property
    def committed(self) -> bool:
        """Whether a byte of the response has gone out."""
        return self._writer.committed

    @property
    def complete(self) -> bool:
        """Whether the whole response has gone out."""
        return self._writer.complete

    @property
    def keeps_connection(self) -> bool:
        """Whether the complete response left the connection usable for another request."""
        return not self._writer.closes

    @property
    def ends_at_close(self) -> bool:
        """Whether the response has no end but that of the connection."""
        return self._writer.ends_at_close

    @property
    def body_complete(self) -> bool:
        """Whether the whole request body has come."""
        return self._body.done

    @property
    def body_failed(self) -> bool:
        """Whether the request body was given up as broken."""
        return self._body_fault is not None

    # From the connection

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the request's body; gives back what follows it. Raises Malformed."""
        payload, rest = self._body.feed(data)
        if payload:
            self._continue_due = False
            self._chunks.append(payload)
            self._buffered += len(payload)
            if self._buffered > self._limits.buffer_bytes:
                self._line.pause_reading()
        if payload or self._body.done:
            self._wake()
        return rest

    def fail_body(self, fault: BodyFault) -> None:
        """The request's body cannot be completed: `receive()` raises from now on."""
        self._body_fault = fault
        self._wake()

    def disconnect(self) -> None:
        """The client is gone: nothing more goes out, `receive()` says http.disconnect."""
        self._gone = True
        self.drop_output()
        self._wake()

    def drop_output(self) -> None:
        """Forget what was sent by the application but has not gone out."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        self._writer.drop()

    # The ASGI callables

    async def receive(self) -> Message:
        """The next event of the request. Raises BodyFault."""
        if not self._chunks:
            if not self._body.done:
                await self._wait_for_body()
            elif self._delivered:
                await self._wait_for_end()
        if self._gone or self._writer.complete:
            return {"type": "http.disconnect"}
        if self._body_fault is not None:
            raise self._body_fault
        return self._take_body()

    async def send(self, message: Message) -> None:
        """Send a part of the response; returns when there is room for more.

        Raises ClientDisconnected; ValueError or RuntimeError when the application errs.
        """
        if self._gone:
            raise ClientDisconnected("the client is gone")
        kind = message["type"]
        if kind == "http.response.start":
            phrase = message.get("reason", "")  # beyond ASGI: some clients show nothing else
            self._writer.start(message["status"], message.get("headers", ()), phrase)
        elif kind == "http.response.body":
            self._writer.body(message.get("body", b""), message.get("more_body", False))
        else:
            raise ValueError(f"the server does not know {kind}")
        if self._writer.complete or self._writer.size >= _FLUSH_AT:
            self.flush()
        elif self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self.flush)
        if self._line.write_paused:
            await self._line.drained()
            if self._gone:
                raise ClientDisconnected("the client is gone")

    def flush(self) -> None:
        """Put what was sent on the wire."""
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        data = self._writer.take()
        if data:
            self._line.write(data)
        if self._writer.complete:
            self._wake()

    def _take_body(self) -> Message:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        self._line.resume_reading()
        more = not self._body.done
        self._delivered = not more
        return {"type": "http.request", "body": body, "more_body": more}

    async def _wait_for_body(self) -> None:
        if self._continue_due:
            self._continue_due = False
            if not self._writer.committed:
                self._line.write(CONTINUE)
        self._deadline.arm(self._limits.body_idle_s)
        try:
            while not (self._chunks or self._body.done or self._ended):
                await self._wait()
        finally:
            self._deadline.disarm()

    async def _wait_for_end(self) -> None:
        while not self._ended:
            await self._wait()

    @property
    def _ended(self) -> bool:
        return self._gone or self._writer.complete or self._body_fault is not None

    async def _wait(self) -> None:
        if self._event is None:
            self._event = asyncio.Event()
        self._event.clear()
        await self._event.wait()

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()
