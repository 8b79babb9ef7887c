"""Message bodies: where they end, and the bytes in between. Sans-IO.

A reader takes wire bytes and gives (payload, rest): `rest` is what follows the body. `done` says
that the end was reached. All raise Malformed.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Protocol

from amaze_proxy.wire.fields import TOKEN, Malformed, valid_trailers
from amaze_proxy.wire.ingress import FaultKind

_MAX_SIZE_LINE = 256
_MAX_EXTENSIONS = 16 * 1024
_MAX_TRAILERS = 8 * 1024
_EXTENSION_VALUE = rb"(?:%b|\"[\t\x20\x21\x23-\x5b\x5d-\x7e]*\")" % TOKEN
_SIZE_LINE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*%b)?)*" % (TOKEN, _EXTENSION_VALUE)
)


class BodyReader(Protocol):
    """Finds the end of one body."""

    done: bool

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """(payload, rest) of these wire bytes; rest is empty until `done`."""
        ...


class NoBody:
    """A message without a body."""

    __slots__ = ()
    done = True

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return b"", data


class LengthBody:
    """A body of a declared length."""

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        size = len(data)
        if size < self._left:
            self._left -= size
            return data, b""
        self.done = True
        if size == self._left:
            self._left = 0
            return data, b""
        left, self._left = self._left, 0
        return data[:left], data[left:]


class UntilCloseBody:
    """A response body that ends with the connection; whoever sees the end sets `done`."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""


class _Part(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()


class ChunkedBody:
    """A chunked body of at most `limit` bytes of payload (RFC 9112 §7.1).

    Extensions are checked, bounded and dropped; so are trailers: none of them may reach what is
    decided on or forwarded (RFC 9110 §6.5.1).
    """

    __slots__ = ("_extensions", "_left", "_limit", "_part", "_pending", "_room", "done")

    def __init__(self, limit: int) -> None:
        self.done = False
        self._limit = limit
        self._room = limit
        self._extensions = 0
        self._left = 0
        self._part = _Part.SIZE
        self._pending = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        if self._pending:
            data = self._pending + data
            self._pending = b""
        payload: list[bytes] = []
        at = 0
        while not self.done:
            if self._part is _Part.DATA:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._part = _Part.DATA_END
            step = self._line(data, at)
            if step is None:
                self._pending = data[at:]
                at = len(data)
                break
            at = step
        return b"".join(payload), data[at:] if self.done else b""

    def _line(self, data: bytes, at: int) -> int | None:
        """Read one line of framing; where it ends, or None: more bytes needed."""
        if self._part is _Part.TRAILERS:
            return self._trailers(data, at)
        if self._part is _Part.DATA_END:
            ending = data[at : at + 2]
            if ending != b"\r\n":
                if not b"\r\n".startswith(ending):
                    raise Malformed("a chunk does not end where its size says")
                return None
            self._part = _Part.SIZE
            return at + 2
        end = data.find(b"\r\n", at, at + _MAX_SIZE_LINE)
        if end < 0:
            if len(data) - at >= _MAX_SIZE_LINE or b"\n" in data[at:]:
                raise Malformed("a chunk size line is too long or ends in a bare LF")
            return None
        self._size(data[at:end])
        return end + 2

    def _size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise Malformed("a chunk size line is malformed")
        digits = match[1]
        self._extensions += len(line) - len(digits)
        if self._extensions > _MAX_EXTENSIONS:
            raise Malformed("too many bytes of chunk extensions")
        self._left = size = int(digits, 16)
        self._room -= size
        if self._room < 0:
            raise Malformed(f"the body is over {self._limit} bytes", FaultKind.TOO_LARGE)
        self._part = _Part.DATA if size else _Part.TRAILERS

    def _trailers(self, data: bytes, at: int) -> int | None:
        if data.startswith(b"\r\n", at):
            self.done = True
            return at + 2
        end = data.find(b"\r\n\r\n", at, at + _MAX_TRAILERS)
        if end < 0:
            if len(data) - at >= _MAX_TRAILERS:
                raise Malformed("the trailer section is too large")
            return None
        if not valid_trailers(data[at : end + 2]):
            raise Malformed("the trailer section is malformed")
        self.done = True
        return end + 4


def request_body(content_length: int | None, chunked: bool, limit: int) -> BodyReader:
    """The reader for a request of this framing. Raises Malformed (TOO_LARGE) over `limit`."""
    if chunked:
        return ChunkedBody(limit)
    if not content_length:
        return _NO_BODY
    if content_length > limit:
        raise Malformed(f"the body is over {limit} bytes", FaultKind.TOO_LARGE)
    return LengthBody(content_length)


_NO_BODY = NoBody()
