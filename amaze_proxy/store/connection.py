"""The hot path's connection: one socket, automatic pipelining, a deadline on every command."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import hiredis

from amaze_proxy.store.errors import NothingRan, StoreUnavailable
from amaze_proxy.store.wire import Command, Reply, RespProtocol

TIMEOUT = 0.25
"""Seconds until a command counts as not answered (and up to one tick more)."""

TICKS = 5
"""In so many steps it is counted: a stall of this process, or of the machine, is one step, however
long it lasts. It is not the store that was silent then."""

SECOND_LOOK = 0.005
OPEN_TIMEOUT = 1.0
QUEUE = 4096
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0

Argument = str | bytes | int


class Caller(Protocol):
    """Calls our functions in the server.

    `ordered`: calls made one after the other run in that order, without waiting for replies.
    """

    ordered: bool

    def fcall(
        self, function: str, keys: Sequence[str], args: Sequence[Argument]
    ) -> Awaitable[Reply]:
        """The function's reply. Raises StoreUnavailable, FunctionMissing, ConnectionLost."""
        ...

    async def close(self) -> None:
        """End the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is: a unix socket `path`, or `host` and `port` (with `tls`)."""

    path: str = ""
    host: str = ""
    port: int = 0
    db: int = 0
    username: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None

    def greeting(self) -> list[bytes]:
        """The commands that begin a connection."""
        commands = []
        if self.password:
            user = (self.username,) if self.username else ()
            commands.append(_pack("AUTH", *user, self.password))
        if self.db:
            commands.append(_pack("SELECT", self.db))
        return commands


def encode(argument: Argument) -> bytes | int:
    """Text as UTF-8; a lone surrogate (from a client's JSON) passes as its three bytes."""
    return argument.encode("utf-8", "surrogatepass") if isinstance(argument, str) else argument


def _pack(*arguments: Argument) -> bytes:
    try:
        return hiredis.pack_command(arguments)  # type: ignore[arg-type,no-any-return]
    except UnicodeEncodeError:
        return _pack_surrogates(arguments)


def _pack_surrogates(arguments: Sequence[Argument]) -> bytes:
    return hiredis.pack_command(tuple(map(encode, arguments)))  # type: ignore[arg-type,no-any-return]


class Connection:
    """Opened by the first command; lost, it is opened again: in the background with growing
    pauses, and at once when a command comes. Bound to the event loop that first uses it."""

    ordered = True

    def __init__(self, endpoint: Endpoint, timeout: float = TIMEOUT) -> None:
        self._endpoint = endpoint
        self._waiting: deque[Command] = deque()
        self._protocol: RespProtocol | None = None
        self._opening: asyncio.Task[None] | None = None
        self._reopen: asyncio.TimerHandle | None = None
        self._tick_s = timeout / TICKS
        self._open_timeout = max(OPEN_TIMEOUT, timeout)
        self._ticks = 0
        self._watch: asyncio.TimerHandle | None = None
        self._pause = FIRST_PAUSE
        self._closed = False

    def fcall(
        self, function: str, keys: Sequence[str], args: Sequence[Argument]
    ) -> asyncio.Future[Reply]:
        """See Caller. The command is queued before this returns."""
        return self.submit("FCALL", function, len(keys), *keys, *args)

    def submit(self, *arguments: Argument) -> asyncio.Future[Reply]:
        """Queue a command; the future has its reply or StoreUnavailable."""
        loop = asyncio.get_running_loop()
        # the tick that is running has begun before: it does not count
        command = Command(_pack(*arguments), loop.create_future(), self._ticks + TICKS + 1)
        if self._closed:
            command.fail(NothingRan("the store is closed"))
        elif len(self._waiting) + (len(self._protocol.sent) if self._protocol else 0) >= QUEUE:
            command.fail(NothingRan("too many commands are waiting for the store"))
        elif self._protocol is not None:
            self._protocol.send(command)
        else:
            self._waiting.append(command)
            self._open()
        if self._watch is None and not command.reply.done():
            self._watch = loop.call_later(self._tick_s, self._tick)
        return command.reply

    def _open(self) -> None:
        if self._reopen is not None:
            self._reopen.cancel()
            self._reopen = None
        if self._opening is None and self._protocol is None and not self._closed:
            self._opening = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        protocol = RespProtocol(self._on_lost)
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._dial(protocol)
                await self._greet(protocol)
        except (OSError, TimeoutError, StoreUnavailable) as error:
            self._opening = None
            protocol.drop()
            why = str(error) or "it did not answer in time"  # a TimeoutError says nothing
            self._fail_waiting(NothingRan(f"cannot connect to the store: {why}"))
            self._retry_later()
            return
        except asyncio.CancelledError:
            protocol.drop()
            raise
        self._opening = None
        self._pause = FIRST_PAUSE
        self._protocol = protocol
        while self._waiting:
            protocol.send(self._waiting.popleft())

    async def _dial(self, protocol: RespProtocol) -> None:
        loop, at = asyncio.get_running_loop(), self._endpoint
        if at.path:
            await loop.create_unix_connection(lambda: protocol, at.path)
        else:
            await loop.create_connection(lambda: protocol, at.host, at.port, ssl=at.tls)

    async def _greet(self, protocol: RespProtocol) -> None:
        loop = asyncio.get_running_loop()
        for data in self._endpoint.greeting():
            # the opening has its own time-out
            command = Command(data, loop.create_future(), sys.maxsize)
            protocol.send(command)
            await command.reply
        if protocol.lost:
            raise StoreUnavailable("the server hung up")

    def _on_lost(self) -> None:
        if self._opening is None:
            self._protocol = None
            self._retry_later()

    def _retry_later(self) -> None:
        if self._closed or self._reopen is not None:
            return
        self._reopen = asyncio.get_running_loop().call_later(self._pause, self._open)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _fail_waiting(self, error: StoreUnavailable) -> None:
        while self._waiting:
            self._waiting.popleft().fail(error)

    def _tick(self) -> None:
        """A step of the time-out is over, for all that waits."""
        self._ticks += 1
        loop = asyncio.get_running_loop()
        heads = [queue[0].deadline for queue in (self._waiting, self._sent()) if queue]
        if not heads:
            self._watch = None
        elif min(heads) <= self._ticks:
            # The reply may be there and not be read yet, because this process was busy: let the
            # loop read once more before judging the store.
            self._watch = loop.call_later(SECOND_LOOK, self._drop_late)
        else:
            self._watch = loop.call_later(self._tick_s, self._tick)

    def _drop_late(self) -> None:
        """Drop what is late, watch the next one."""
        now = self._ticks
        self._watch = None
        late = StoreUnavailable("the store did not answer in time")
        while self._waiting and self._waiting[0].deadline <= now:
            self._waiting.popleft().fail(late)
        protocol = self._protocol
        if protocol is not None and protocol.sent and protocol.sent[0].deadline <= now:
            protocol.drop("the store did not answer in time")
        if self._waiting or self._sent():
            self._watch = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def _sent(self) -> deque[Command]:
        return self._protocol.sent if self._protocol else deque()

    async def close(self) -> None:
        """End the connection; what waits fails."""
        self._closed = True
        for handle in (self._watch, self._reopen):
            if handle is not None:
                handle.cancel()
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        self._fail_waiting(NothingRan("the store is closed"))
        if self._protocol is not None:
            self._protocol.drop()
            await asyncio.sleep(0)  # the transport closes its socket in the next iteration
