"""RESP over one asyncio transport: commands out in order, replies matched in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import hiredis

from amaze_proxy.store.errors import ConnectionLost, FunctionMissing, NothingRan, StoreUnavailable

Reply = bytes | int | None | list["Reply"]
"""A RESP2 reply."""


@dataclass(frozen=True, slots=True)
class Command:
    """A packed command, who waits for it, and until which tick of its connection."""

    data: bytes
    reply: asyncio.Future[Reply]
    deadline: int

    def fail(self, error: StoreUnavailable) -> None:
        """Tell whoever still waits."""
        if not self.reply.done():
            self.reply.set_exception(error)


# What a server that is full, or not in a state to write, says before it begins with a function.
_BEFORE = ("MISCONF ", "OOM ", "READONLY ", "NOREPLICAS ", "LOADING ", "MASTERDOWN ")


def server_error(message: str) -> StoreUnavailable:
    """An error reply as our exception. Every one of them means: not decided."""
    if "Function not found" in message:
        return FunctionMissing(message)
    kind = NothingRan if message.startswith(_BEFORE) else StoreUnavailable
    return kind(f"the store refused: {message}")


class RespProtocol(asyncio.Protocol):
    """One connection. Writes of one loop iteration leave as one packet.

    `on_lost` is called once, when the connection is gone for whatever reason; what was sent and
    not answered has failed with ConnectionLost by then.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._buffer: list[bytes] = []
        self.lost = False
        self.sent: deque[Command] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def send(self, command: Command) -> None:
        """Queue a command for this iteration's packet."""
        self.sent.append(command)
        if not self._buffer:
            asyncio.get_running_loop().call_soon(self._flush)
        self._buffer.append(command.data)

    def _flush(self) -> None:
        if self._transport is not None and not self.lost and self._buffer:
            self._transport.write(b"".join(self._buffer))
        self._buffer.clear()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._answer(reply)
        except (hiredis.ProtocolError, IndexError):
            self.drop()  # not RESP, or a reply to nothing: no later reply can be trusted

    def _answer(self, reply: object) -> None:
        command = self.sent.popleft()
        if isinstance(reply, hiredis.ReplyError):
            message = str(reply)
            command.fail(server_error(message))
            if message.startswith("READONLY"):
                self.drop()  # a demoted primary: the name may lead to the new one
        elif not command.reply.done():
            command.reply.set_result(reply)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self.drop()

    def drop(self, reason: str = "the connection to the store was lost") -> None:
        """End the connection now; a late reply can never meet a wrong command."""
        if self.lost:
            return
        self.lost = True
        if self._transport is not None:
            self._transport.abort()
        while self.sent:
            self.sent.popleft().fail(ConnectionLost(reason))
        self._on_lost()
