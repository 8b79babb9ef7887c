"""One response of an upstream, read as strictly as a request. Sans-IO."""

from __future__ import annotations

from amaze_proxy.wire.bodies import BodyReader, ChunkedBody, LengthBody, NoBody, UntilCloseBody
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import ResponseHead, parse_response_head

_MAX_HEAD = 64 * 1024
_MAX_FIELDS = 200
_MAX_INTERIM = 16
_MAX_BODY = 1 << 62


class ResponseReader:
    """Takes wire bytes, gives body bytes. `head` is the final (not 1xx) head, once it is there;
    `done` says that the response is complete; `reusable` that the connection may be used again."""

    __slots__ = ("_body", "_interim", "_method", "_part", "_searched", "_spoiled", "head", "heard")

    def __init__(self, method: str) -> None:
        self._method = method
        self._part = b""
        self._searched = 0
        self._interim = 0
        self._body: BodyReader | None = None
        self._spoiled = False
        self.head: ResponseHead | None = None
        self.heard = False

    @property
    def done(self) -> bool:
        return self._body is not None and self._body.done

    @property
    def reusable(self) -> bool:
        return self.done and not self._spoiled and self.head is not None and self.head.keep_alive

    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`. Raises Malformed."""
        self.heard = True
        if self._body is None:
            data = self._read_heads(self._part + data if self._part else data)
            if self._body is None:
                return b""
        payload, rest = self._body.feed(data)
        if rest:
            self._spoiled = True  # bytes that nobody asked for
        return payload

    def end(self, *, in_order: bool) -> None:
        """The connection has ended. Raises Malformed unless that completes the response; an end
        out of order (a reset, TLS without close_notify) completes none (RFC 9112 §8, §9.8)."""
        if self.done:
            return
        if self.head is None:
            raise Malformed("the upstream closed the connection without an answer")
        if not (in_order and self.head.until_close) or self._body is None:
            raise Malformed("the upstream broke the response off")
        self._body.done = True

    def _read_heads(self, data: bytes) -> bytes:
        """Read heads up to the final one; the rest of `data`."""
        while True:
            end = data.find(b"\r\n\r\n", max(0, self._searched - 3))
            if end > _MAX_HEAD or (end < 0 and len(data) > _MAX_HEAD):
                raise Malformed("the response head is too large")
            if end < 0:
                self._part, self._searched = data, len(data)
                return b""
            end += 4
            head = parse_response_head(data[:end], self._method, _MAX_FIELDS)
            data, self._searched = data[end:], 0
            if head.status == 101:
                raise Malformed("the upstream switched protocols unasked")
            if head.status >= 200:
                self.head = head
                self._body = _body_of(head, self._method)
                self._part = b""
                return data
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise Malformed("too many interim responses")


def _body_of(head: ResponseHead, method: str) -> BodyReader:
    if head.chunked:
        return ChunkedBody(_MAX_BODY)
    if head.until_close:
        return UntilCloseBody()
    if not head.content_length or method == "HEAD" or head.status in (204, 304):
        return NoBody()
    return LengthBody(head.content_length)
