"""A byte pipe with optional TLS over a transport: flow control, half-close, abort."""

from __future__ import annotations

import asyncio
import socket
import struct

from amaze_proxy.wire.tls import TlsSession

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with time 0: close() sends RST
_HIGH_WATER = 128 * 1024


class Line:
    """Wraps the transport of one connection. All methods are safe after the transport closed."""

    __slots__ = (
        "_drained",
        "_loop",
        "_read_paused",
        "_transport",
        "_write_idle_s",
        "tls",
        "write_paused",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        write_idle_s: float,
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._write_idle_s = write_idle_s
        self._read_paused = False
        self._drained: asyncio.Future[None] | None = None
        self.write_paused = False
        self.tls: TlsSession | None = None
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    @property
    def closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send `data`, encrypted if there is TLS."""
        if not self._transport.is_closing():
            self._transport.write(data if self.tls is None else self.tls.encrypt(data))

    def flush_tls(self) -> None:
        """Send what the TLS session itself has to say (handshake, alerts, key updates)."""
        if self.tls is not None and not self._transport.is_closing():
            data = self.tls.outgoing()
            if data:
                self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the peer has taken enough of what was written.

        Aborts the connection when the peer takes nothing for `write_idle_s`.
        """
        if not self.write_paused:
            return
        if self._drained is None:
            self._drained = self._loop.create_future()
        stalled = self._loop.call_later(self._write_idle_s, self.abort)
        try:
            await asyncio.shield(self._drained)
        finally:
            stalled.cancel()

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The transport's buffer has room, or is gone."""
        self.write_paused = False
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None

    def pause_reading(self) -> None:
        """Let the peer wait: there is no room for more."""
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, if it was paused."""
        if self._read_paused:
            self._read_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def half_close(self) -> None:
        """Say that nothing more comes, in order (TLS close_notify, then FIN); go on reading."""
        if self._transport.is_closing():
            return
        if self.tls is not None:
            self._transport.write(self.tls.close())
        try:
            self._transport.write_eof()
        except OSError:  # the peer has reset the connection, and the loop does not know yet
            self._transport.abort()

    def close(self) -> None:
        """Send what is buffered, then close; no TLS close_notify."""
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection now, as broken: what was sent is not a complete message."""
        self._transport.abort()

    def reset(self) -> None:
        """Drop the connection with a TCP reset, where a FIN would read as a complete message."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
