"""Requests of a client connection: one after the other, each a call of the application."""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from functools import partial

from amaze_proxy.wire.bodies import request_body
from amaze_proxy.wire.ending import Ending, Stage
from amaze_proxy.wire.exchange import Exchange
from amaze_proxy.wire.failures import log_failure
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import RequestHead, parse_request_head
from amaze_proxy.wire.ingress import AnswerCut, BodyFault, ClientDisconnected, Ingress
from amaze_proxy.wire.scope import build_scope
from amaze_proxy.wire.shared import internal_error

_NO_FAILURE = (AnswerCut, BodyFault, ClientDisconnected)


class Serving(Ending):
    """Reads requests off the line and has them answered."""

    __slots__ = ()

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
        if error is not None and not isinstance(error, _NO_FAILURE):
            log_failure("the application", error)
        if self._stage is not Stage.EXCHANGE or exchange is None:
            return
        if exchange.complete:
            if exchange.keeps_connection:
                self._kept_alive()
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
                self._answer(internal_error())

    def _kept_alive(self) -> None:
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

    def abort(self) -> None:
        """Drop the connection and what is in flight on it."""
        if self._stage is Stage.EXCHANGE:
            self._client_left()
        self._stage = Stage.CLOSED
        self._line.abort()

    @abstractmethod
    def _dispatch(self, head: RequestHead) -> None:
        """Say where a request goes. Raises Malformed."""
