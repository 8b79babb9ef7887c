"""One client connection: heads in, application calls, and how it ends.

HTTP -> EXCHANGE -> HTTP …                       requests on the proxy port, or in a tunnel
HTTP -> DECIDING -> PEEK -> [HANDSHAKE] -> HTTP  a CONNECT
any  -> FAULT -> LINGER -> CLOSED                a refusal
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import ssl
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from typing import cast

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.bodies import request_body
from amaze_proxy.wire.exchange import Exchange
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import HeadReader, RequestHead, parse_request_head
from amaze_proxy.wire.ingress import (
    Answer,
    BodyFault,
    ClientDisconnected,
    Fault,
    FaultKind,
    Ingress,
)
from amaze_proxy.wire.line import Line
from amaze_proxy.wire.redaction import redacted_head
from amaze_proxy.wire.scope import Address, build_scope
from amaze_proxy.wire.shared import Shared
from amaze_proxy.wire.targets import (
    Misdirected,
    check_tunnelled,
    connect_target,
    names_us,
    outer_target,
)
from amaze_proxy.wire.timer import Deadline
from amaze_proxy.wire.tls import TlsSession
from amaze_proxy.wire.tunnel import Inside, Tunnel, handshake_failure, name_mismatch, sniff
from amaze_proxy.wire.writing import TUNNEL_OPEN, whole_answer

logger = logging.getLogger("amaze.wire")

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


class ClientConnection(asyncio.Protocol):
    """Serves one accepted connection."""

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

    @property
    def ingress(self) -> Ingress | None:
        """The tunnel's ingress; None when this connection is no tunnel."""
        return None if self._tunnel is None else self._tunnel.ingress

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's has the methods, not the base
        self._line = Line(self._loop, transport, self._limits.write_idle_s)
        self._client = _address(transport.get_extra_info("peername"))
        self._server = _address(transport.get_extra_info("sockname"))
        self._peer = _printable(self._client)
        self._shared.opened(self)
        self._deadline.arm(self._limits.head_s)

    def data_received(self, data: bytes) -> None:
        match self._stage:
            case Stage.HTTP | Stage.EXCHANGE:
                if self._line.tls is None:
                    self._http(data)
                else:
                    self._decrypt(data)
            case Stage.PEEK:
                self._heads.feed(data)
                self._peek()
            case Stage.HANDSHAKE:
                self._handshake(data)
            case Stage.DECIDING:
                # Tunnel bytes that did not wait for the 200: a ClientHello, no more than that.
                self._heads.feed(data)
                if len(self._heads.buffered) > self._limits.head_bytes:
                    self._line.pause_reading()
            case Stage.FAULT:
                self._lingered += len(data)
                if self._lingered > self._limits.linger_bytes:
                    self._line.pause_reading()
            case Stage.LINGER:
                self._lingered += len(data)
                if self._lingered > self._limits.linger_bytes:
                    self._close()
            case Stage.CLOSED:
                pass

    def eof_received(self) -> bool:
        """True keeps our own direction open."""
        match self._stage:
            case Stage.FAULT:
                return True
            case Stage.HANDSHAKE:
                self._tls_failed(None)
            case Stage.EXCHANGE:
                self._client_left()
            case _:
                self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stage is Stage.HANDSHAKE:
            self._tls_failed(None)
        elif self._stage is Stage.EXCHANGE:
            self._client_left()
        self._stage = Stage.CLOSED
        self._line.resume_writing()
        self._deadline.close()
        self._shared.closed(self)

    def pause_writing(self) -> None:
        self._line.pause_writing()

    def resume_writing(self) -> None:
        self._line.resume_writing()

    # What the server asks

    def drain(self) -> None:
        """Close if idle; a request in flight gets `Connection: close` with its response."""
        if self._stage is Stage.PEEK or (self._stage is Stage.HTTP and not self._heads.buffered):
            self._finish()

    def abort(self) -> None:
        """Drop the connection and what is in flight on it."""
        if self._stage is Stage.EXCHANGE:
            self._client_left()
        self._stage = Stage.CLOSED
        self._line.abort()

    # Requests

    def _decrypt(self, data: bytes) -> None:
        tls = self._line.tls
        assert tls is not None  # noqa: S101
        try:
            tls.feed(data)
            plain = tls.read()
        except ssl.SSLError:
            self.abort()
            return
        self._line.flush_tls()
        if plain:
            self._http(plain)
        if tls.closed:
            self.eof_received()

    def _http(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            if self._stage is Stage.HTTP:
                self._heads.feed(data)
                self._next_request()
            return
        if exchange.body_failed:
            return
        if not exchange.body_complete:
            try:
                data = exchange.feed(data)
            except Malformed as error:
                self._fail_body(error)
                return
        if data:
            self._heads.feed(data)
            if len(self._heads.buffered) > self._limits.head_bytes:
                self._line.pause_reading()

    def _next_request(self) -> None:
        heads = self._heads
        self._raw_head = heads.buffered
        try:
            raw = heads.next_head()
            if raw is None:
                if self._raw_head and not self._head_begun:
                    self._head_begun = True
                    self._deadline.arm(self._limits.head_s)
                return
            self._head_begun = False
            self._raw_head = raw
            self._deadline.disarm()
            self._dispatch(parse_request_head(raw, self._limits))
        except Malformed as error:
            self._fault(self._fault_of(error))

    def _dispatch(self, head: RequestHead) -> None:
        if head.via and names_us(head.via, self._shared.pseudonym):
            raise Malformed("the request has passed this proxy before (Via)")
        tunnel = self._tunnel
        if tunnel is not None:
            if head.host != tunnel.host_seen or not head.target.startswith(b"/"):
                check_tunnelled(head, tunnel.authority)
                tunnel.host_seen = head.host
            self._call(head, head.target, tunnel.ingress)
        elif head.method == "CONNECT":
            self._connect(head)
        else:
            target = outer_target(head)
            ingress = Ingress(
                "origin" if target.authority is None else "absolute",
                target.authority,
                head.proxy_authorization,
                "",
                self._peer,
            )
            self._call(head, target.path, ingress)

    def _call(self, head: RequestHead, target: bytes, ingress: Ingress) -> None:
        body = request_body(head.content_length, head.chunked, self._limits.body_bytes)
        must_close = partial(self._must_close, head.keep_alive)
        self._exchange = exchange = Exchange(
            self._loop, self._line, self._deadline, self._limits, head, body, must_close
        )
        self._stage = Stage.EXCHANGE
        scope = build_scope(head, target, ingress, self._client, self._server)
        self._task = self._shared.start(
            self._shared.app(scope, exchange.receive, exchange.send), self._answered
        )
        if not body.done and self._heads.buffered:
            self._http(self._heads.take_rest())

    def _fail_body(self, error: Malformed) -> None:
        self._line.pause_reading()
        if self._exchange is not None:
            self._exchange.fail_body(BodyFault(self._fault_of(error)))

    def _must_close(self, keep_alive: bool) -> bool:
        exchange = self._exchange
        return (
            not keep_alive
            or self._shared.draining
            or exchange is None
            or not exchange.body_complete
        )

    def _answered(self, task: asyncio.Task[None]) -> None:
        """The application has returned: go on with the connection, or end it."""
        exchange, self._exchange, self._task = self._exchange, None, None
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, BodyFault | ClientDisconnected):
            _log_failure("the application", error)
        if self._stage is not Stage.EXCHANGE or exchange is None:
            return
        if exchange.complete:
            if exchange.keeps_connection:
                self._next_exchange()
            else:
                self._finish()
        elif exchange.committed:
            # An end in order would make a broken response look whole.
            self._stage = Stage.CLOSED
            if exchange.ends_at_close:
                self._line.reset()
            else:
                self._line.abort()
        else:
            exchange.drop_output()
            if isinstance(error, BodyFault):
                self._fault(error.fault)
            else:
                self._answer(self._shared.internal_error())

    def _next_exchange(self) -> None:
        self._stage = Stage.HTTP
        self._line.resume_reading()
        self._deadline.arm(self._limits.keepalive_s)
        if self._heads.buffered:
            self._next_request()
        elif self._shared.draining:
            self._finish()

    def _client_left(self) -> None:
        """The client is gone before its response was complete: stop the application."""
        exchange, task = self._exchange, self._task
        if exchange is None or task is None or exchange.complete:
            self._close()
            return
        self._stage = Stage.CLOSED
        self._line.abort()
        exchange.disconnect()
        task.cancel()

    # CONNECT

    def _connect(self, head: RequestHead) -> None:
        authority = connect_target(head)
        self._stage = Stage.DECIDING
        credential = head.proxy_authorization
        self._shared.start(
            self._shared.gatekeeper.connect(authority, credential, self._peer),
            partial(self._decided, head, authority),
        )

    def _decided(
        self, head: RequestHead, authority: Authority, task: asyncio.Task[Answer | None]
    ) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log_failure("the gatekeeper", error)
        if self._stage is not Stage.DECIDING:
            return
        if error is not None or task.cancelled():
            self._answer(self._shared.internal_error())
            return
        answer = task.result()
        if answer is not None:
            self._refuse_tunnel(head, answer)
            return
        tunnel_id = secrets.token_hex(8)
        ingress = Ingress("tunnel", authority, head.proxy_authorization, tunnel_id, self._peer)
        self._tunnel = Tunnel(ingress, authority)
        self._stage = Stage.PEEK
        self._line.write(TUNNEL_OPEN)
        self._line.resume_reading()
        self._deadline.arm(self._limits.tls_handshake_s)
        self._peek()

    def _refuse_tunnel(self, head: RequestHead, answer: Answer) -> None:
        # A 407 has to leave the connection open: git, Java and curl try again on it. Bytes that
        # came early are tunnel content and must not be read as a request.
        keep = head.keep_alive and not self._heads.buffered and not self._shared.draining
        self._answer(answer, keep_alive=keep)

    def _peek(self) -> None:
        tunnel = self._tunnel
        first = self._heads.buffered
        assert tunnel is not None  # noqa: S101
        match sniff(first):
            case Inside.UNDECIDED:
                pass
            case Inside.TLS:
                context = self._shared.leaves.context_for(tunnel.authority.host)
                self._line.tls = TlsSession(context, server_side=True)
                self._stage = Stage.HANDSHAKE
                self._handshake(self._heads.take_rest())
            case Inside.PLAIN:
                tunnel.authority = replace(tunnel.authority, scheme="http")
                tunnel.ingress = replace(tunnel.ingress, authority=tunnel.authority)
                self._stage = Stage.HTTP
                self._deadline.arm(self._limits.head_s)
                self._next_request()
            case Inside.OTHER:
                self._raw_head = first
                self._not_http("neither TLS nor HTTP in the tunnel")

    def _handshake(self, data: bytes) -> None:
        tls, tunnel = self._line.tls, self._tunnel
        assert tls is not None and tunnel is not None  # noqa: S101, PT018
        tls.feed(data)
        try:
            done = tls.handshake()
        except ssl.SSLError as error:
            self._tls_failed(error)
            return
        self._line.flush_tls()
        if not done:
            return
        self._stage = Stage.HTTP
        mismatch = name_mismatch(tls.requested_name, tunnel.authority.host)
        if mismatch:
            self._fault(self._fault_of(Misdirected(mismatch, tunnel.authority)))
            return
        self._deadline.arm(self._limits.head_s)
        self._decrypt(b"")

    def _tls_failed(self, error: ssl.SSLError | None) -> None:
        self._line.flush_tls()  # our own alert
        self._fault(self._fault_of(Malformed(handshake_failure(error), FaultKind.TLS)))

    def _not_http(self, detail: str) -> None:
        self._fault(self._fault_of(Malformed(detail, FaultKind.NOT_HTTP)))

    # Refusals and ends

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
            _log_failure("the gatekeeper", error)
        if self._stage is not Stage.FAULT:
            return
        if kind is FaultKind.TLS or (kind is FaultKind.NOT_HTTP and self._tunnel is not None):
            self._finish()
        elif error is not None or task.cancelled():
            self._answer(self._shared.internal_error())
        else:
            self._answer(task.result())

    def _answer(self, answer: Answer, *, keep_alive: bool = False) -> None:
        head_only = self._raw_head.startswith(b"HEAD ")
        self._line.write(whole_answer(answer, keep_alive=keep_alive, head_only=head_only))
        if keep_alive:
            self._next_exchange()
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

    def _expired(self) -> None:
        match self._stage:
            case Stage.HTTP if self._head_begun:
                self._fault(
                    self._fault_of(Malformed("the request head is too slow", FaultKind.TIMEOUT))
                )
            case Stage.HTTP:
                self._finish()
            case Stage.PEEK:
                self._not_http("nothing came through the tunnel")
            case Stage.HANDSHAKE:
                self._tls_failed(None)
            case Stage.EXCHANGE:
                self._fail_body(Malformed("the request body is too slow", FaultKind.TIMEOUT))
            case Stage.LINGER:
                self._close()
            case _:
                self._line.abort()


def _address(name: object) -> Address:
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]), int(name[1])
    return None  # a unix socket has no address


def _printable(address: Address) -> str:
    if address is None:
        return ""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _log_failure(who: str, error: BaseException) -> None:
    # The type and the place only: an exception's text may quote a header.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    logger.error("%s failed: %s%s", who, type(error).__name__, where)
