"""What all connections of one server share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from amaze_proxy.wire.asgi import ASGIApp
from amaze_proxy.wire.ingress import Answer, Gatekeeper
from amaze_proxy.wire.leaves import LeafSource
from amaze_proxy.wire.limits import Limits

if TYPE_CHECKING:
    from amaze_proxy.wire.connection import ClientConnection

T = TypeVar("T")


def internal_error() -> Answer:
    """What the client gets when the application or the gatekeeper fails: a refusal."""
    return Answer(
        403,
        "Forbidden",
        ((b"content-type", b"application/json"), (b"x-should-retry", b"false")),
        b'{"reason": "internal-error"}',
    )


@dataclass(slots=True)
class Shared:
    """The server's parts, its open connections, and the tasks that must end before it does."""

    app: ASGIApp
    gatekeeper: Gatekeeper
    leaves: LeafSource
    limits: Limits
    pseudonym: bytes
    connections: set[ClientConnection] = field(default_factory=set)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    draining: bool = False
    _idle: asyncio.Event | None = None

    def start(self, work: Awaitable[T], done: Callable[[asyncio.Task[T]], None]) -> asyncio.Task[T]:
        """Run `work`, then `done`; the server does not end before it."""
        task: asyncio.Task[T] = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(done)
        task.add_done_callback(self._ended)
        return task

    def opened(self, connection: ClientConnection) -> None:
        """A connection was accepted."""
        self.connections.add(connection)

    def closed(self, connection: ClientConnection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)
        self._look()

    async def idle(self) -> None:
        """Return once there is neither a connection nor a task."""
        self._idle = asyncio.Event()
        self._look()
        await self._idle.wait()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        self._look()

    def _look(self) -> None:
        if self._idle is not None and not self.connections and not self.tasks:
            self._idle.set()
