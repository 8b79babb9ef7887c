"""The proxy's ASGI server: accepts, serves, drains."""

from __future__ import annotations

import asyncio
import socket

from amaze_proxy.wire.asgi import ASGIApp
from amaze_proxy.wire.connection import ClientConnection
from amaze_proxy.wire.ingress import Gatekeeper
from amaze_proxy.wire.leaves import LeafSource
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.shared import Shared

_BACKLOG = 1024
_ABORT_S = 1.0  # what an aborted application gets to settle


class ProxyServer:
    """Serves an ASGI app to the clients of a forward proxy.

    `via` is our pseudonym in Via: a request that already carries it is refused as a loop.
    """

    def __init__(
        self,
        app: ASGIApp,
        gatekeeper: Gatekeeper,
        leaves: LeafSource,
        limits: Limits | None = None,
        *,
        via: str = "amaze",
    ) -> None:
        self._shared = Shared(app, gatekeeper, leaves, limits or Limits(), via.encode("ascii"))
        self._listener: asyncio.Server | None = None
        self._ended = asyncio.Event()

    async def serve(self, sock: socket.socket) -> None:
        """Accept on `sock` (bound; it is closed at the end) until `drain()` is done."""
        loop = asyncio.get_running_loop()
        shared = self._shared
        self._listener = await loop.create_server(
            lambda: ClientConnection(shared, loop), sock=sock, backlog=_BACKLOG
        )
        try:
            await self._ended.wait()
        finally:
            self._listener.close()
            await self._abort_all()

    async def drain(self) -> None:
        """Stop accepting, let what is in flight finish (with `Connection: close`) for at most
        `drain_s`, then abort the rest and let `serve()` return."""
        shared = self._shared
        shared.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(shared.connections):
            connection.drain()
        try:
            await asyncio.wait_for(shared.idle(), shared.limits.drain_s)
        except TimeoutError:
            await self._abort_all()
        self._ended.set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._shared.connections)

    async def _abort_all(self) -> None:
        shared = self._shared
        for connection in tuple(shared.connections):
            connection.abort()
        try:
            await asyncio.wait_for(shared.idle(), _ABORT_S)
        except TimeoutError:
            for task in tuple(shared.tasks):
                task.cancel()
