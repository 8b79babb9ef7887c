"""One client connection: heads in, application calls, and how it ends.

HTTP -> EXCHANGE -> HTTP …                       requests on the proxy port, or in a tunnel
HTTP -> DECIDING -> PEEK -> [HANDSHAKE] -> HTTP  a CONNECT
any  -> FAULT -> LINGER -> CLOSED                a refusal
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import replace
from functools import partial

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ending import Stage
from amaze_proxy.wire.failures import log_failure
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import RequestHead
from amaze_proxy.wire.ingress import Answer, FaultKind, Ingress
from amaze_proxy.wire.serving import Serving
from amaze_proxy.wire.shared import internal_error
from amaze_proxy.wire.targets import (
    Misdirected,
    check_tunnelled,
    connect_target,
    names_us,
    outer_target,
)
from amaze_proxy.wire.tls import TlsSession
from amaze_proxy.wire.tunnel import Inside, Tunnel, handshake_failure, name_mismatch, sniff
from amaze_proxy.wire.writing import TUNNEL_OPEN


class ClientConnection(Serving):
    """One accepted connection."""

    __slots__ = ()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._shared.opened(self)

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

    # What the server asks

    def drain(self) -> None:
        """Close if idle; a request in flight gets `Connection: close` with its response."""
        if self._stage is Stage.PEEK or (self._stage is Stage.HTTP and not self._heads.buffered):
            self._finish()

    # Where a request goes

    def _dispatch(self, head: RequestHead) -> None:
        if head.via and names_us(head.via, self._shared.pseudonym):
            raise Malformed("the request has passed this proxy before (Via)")
        tunnel = self._tunnel
        if tunnel is not None:
            check_tunnelled(head, tunnel.authority)
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
            log_failure("the gatekeeper", error)
        if self._stage is not Stage.DECIDING:
            return
        if error is not None or task.cancelled():
            self._answer(internal_error())
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
