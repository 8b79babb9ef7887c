"""How a client connection begins, refuses, and ends."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from enum import Enum, auto
from functools import partial
from typing import cast

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.exchange import Exchange
from amaze_proxy.wire.failures import log_failure
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import HeadReader
from amaze_proxy.wire.ingress import Answer, Fault, FaultKind
from amaze_proxy.wire.line import Line
from amaze_proxy.wire.redaction import redacted_head
from amaze_proxy.wire.scope import Address
from amaze_proxy.wire.shared import Shared, internal_error
from amaze_proxy.wire.targets import Misdirected
from amaze_proxy.wire.timer import Deadline
from amaze_proxy.wire.tunnel import Tunnel
from amaze_proxy.wire.writing import whole_answer

# Who a request that cannot be parsed says it is from; the gatekeeper checks the credential.
_CREDENTIAL = re.compile(rb"(?im)^proxy-authorization:[ \t]*([\x21-\x7e][\x20-\x7e]*?)[ \t]*\r?$")


class Stage(Enum):
    """What the next bytes from the client are."""

    HTTP = auto()
    DECIDING = auto()
    PEEK = auto()
    HANDSHAKE = auto()
    EXCHANGE = auto()
    FAULT = auto()
    LINGER = auto()
    CLOSED = auto()


class Ending(asyncio.Protocol, ABC):
    """The state of one accepted connection, and every way out of it but success."""

    __slots__ = (
        "_client",
        "_deadline",
        "_exchange",
        "_head_begun",
        "_heads",
        "_limits",
        "_line",
        "_lingered",
        "_loop",
        "_peer",
        "_raw_head",
        "_server",
        "_shared",
        "_stage",
        "_task",
        "_tunnel",
    )

    _line: Line
    _client: Address
    _server: Address
    _peer: str

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        self._shared = shared
        self._loop = loop
        self._limits = shared.limits
        self._stage = Stage.HTTP
        self._heads = HeadReader(shared.limits)
        self._head_begun = False
        self._raw_head = b""
        self._deadline = Deadline(loop, self._expired)
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._tunnel: Tunnel | None = None
        self._lingered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base
        self._line = Line(self._loop, transport, self._limits.write_idle_s)
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        self._peer = _printable(self._client)
        self._deadline.arm(self._limits.head_s)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    def _fault_of(self, error: Malformed) -> Fault:
        tunnel = self._tunnel
        if tunnel is not None:
            authority: Authority | None = tunnel.authority
            credential = tunnel.ingress.proxy_authorization
        else:
            authority = error.authority if isinstance(error, Misdirected) else None
            found = _CREDENTIAL.findall(self._raw_head)
            credential = found[0] if len(found) == 1 else None
        return Fault(
            error.kind,
            str(error),
            error.kind.status,
            authority,
            credential,
            self._peer,
            redacted_head(self._raw_head),
        )

    def _fault(self, fault: Fault) -> None:
        self._stage = Stage.FAULT
        self._deadline.disarm()
        self._shared.start(
            self._shared.gatekeeper.fault(fault), partial(self._recorded, fault.kind)
        )

    def _recorded(self, kind: FaultKind, task: asyncio.Task[Answer]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log_failure("the gatekeeper", error)
        if self._stage is not Stage.FAULT:
            return
        if kind is FaultKind.TLS or (kind is FaultKind.NOT_HTTP and self._tunnel is not None):
            self._finish()
        elif error is not None or task.cancelled():
            self._answer(internal_error())
        else:
            self._answer(task.result())

    def _answer(self, answer: Answer, *, keep_alive: bool = False) -> None:
        head_only = self._raw_head.startswith(b"HEAD ")
        self._line.write(whole_answer(answer, keep_alive=keep_alive, head_only=head_only))
        if keep_alive:
            self._kept_alive()
        else:
            self._finish()

    def _finish(self) -> None:
        """End in order: say so, then read and discard until the client has ended too, because a
        close with unread bytes would reset the answer away (RFC 9112 §9.6)."""
        self._stage = Stage.LINGER
        self._line.half_close()
        self._line.resume_reading()
        self._deadline.arm(self._limits.linger_s)

    def _close(self) -> None:
        self._stage = Stage.CLOSED
        self._line.close()
        # What is buffered still goes out, unless the client does not take it.
        self._deadline.arm(self._limits.write_idle_s)

    @abstractmethod
    def _kept_alive(self) -> None:
        """An answer has gone out, and the connection may carry another request."""

    @abstractmethod
    def _expired(self) -> None:
        """The deadline has passed."""


def _address(name: object) -> Address:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None  # a unix socket has no address


def _printable(address: Address) -> str:
    if address is None:
        return ""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
