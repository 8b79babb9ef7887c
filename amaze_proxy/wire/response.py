"""The application's response as bytes, in our own framing. Sans-IO."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto

from amaze_proxy.wire.fields import Headers
from amaze_proxy.wire.writing import LAST_CHUNK, chunk, field_lines, response_head


class _Framing(Enum):
    LENGTH = auto()
    CHUNKED = auto()
    CLOSE = auto()
    NONE = auto()  # HEAD, 204, 304: no body, whatever the application sends


# The server's own business; proxy-authenticate stays, a 407 needs it.
_OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


class ResponseWriter:
    """Gathers the bytes of one response until they are taken.

    The head is made as late as possible: when the whole body comes with it, it gets a
    Content-Length and both are one piece.
    """

    __slots__ = (
        "_framing",
        "_left",
        "_method",
        "_must_close",
        "_out",
        "_phrase",
        "_start",
        "_version",
        "closes",
        "committed",
        "complete",
        "size",
    )

    def __init__(self, method: str, version: int, must_close: Callable[[], bool]) -> None:
        self._method = method
        self._version = version
        self._must_close = must_close
        self._start: tuple[int, bytes, int | None] | None = None  # status, field lines, length
        self._phrase = ""
        self._framing: _Framing | None = None
        self._left = 0
        self._out: list[bytes] = []
        self.size = 0
        self.committed = False
        self.complete = False
        self.closes = False

    @property
    def ends_at_close(self) -> bool:
        """Whether only the end of the connection ends this response."""
        return self._framing is _Framing.CLOSE

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]], phrase: str = "") -> None:
        """Begin; `phrase` is the reason phrase, if it is not to be the registered one.

        Raises RuntimeError when it has begun, ValueError for a head that is not one.
        """
        if self._start is not None:
            raise RuntimeError("the response has begun already")
        if not 200 <= status <= 599:
            raise ValueError(f"{status} is not the status of a response")
        kept: Headers = []
        length: int | None = None
        for name, value in headers:
            lower = bytes(name).lower()
            if lower not in _OURS:
                kept.append((lower, bytes(value)))
            elif lower == b"content-length":
                if length is not None or not value.isdigit():
                    raise ValueError("Content-Length must be one number")
                length = int(value)
            elif lower == b"connection" and value.lower() == b"close":
                self.closes = True
        self._start = status, field_lines(kept), length
        self._phrase = phrase

    def body(self, data: bytes, more: bool) -> None:
        """Add a part of the body. Raises RuntimeError when it does not fit what was begun."""
        start = self._start
        if start is None or self.complete:
            raise RuntimeError("a body outside of a response")
        if self._framing is None:
            self._make_head(*start, None if more else len(data))
        self._add_body(bytes(data))
        if not more:
            self._finish()

    def take(self) -> bytes:
        """What is to be sent now. Makes the head if the body lets wait for itself."""
        if self._start is not None and self._framing is None:
            self._make_head(*self._start, None)
        out = self._out
        if not out:
            return b""
        self.committed = True
        self.size = 0
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    def drop(self) -> None:
        """Forget what was not taken."""
        self._out.clear()
        self.size = 0

    def _make_head(self, status: int, lines: bytes, length: int | None, whole: int | None) -> None:
        framing = self._choose(status, length, whole)
        self.closes = self.closes or self._framing is _Framing.CLOSE or self._must_close()
        if self.closes:
            framing += b"connection: close\r\n"
        elif not self._version:
            framing += b"connection: keep-alive\r\n"
        self._push(response_head(status, lines, framing, self._phrase))

    def _choose(self, status: int, length: int | None, whole: int | None) -> bytes:
        """Set the framing of the body; the header line that says so."""
        if status in (204, 304) or self._method == "HEAD":
            self._framing = _Framing.NONE
            return b"" if length is None or status == 204 else b"content-length: %d\r\n" % length
        if length is None:
            length = whole
        if length is not None:
            self._framing, self._left = _Framing.LENGTH, length
            return b"content-length: %d\r\n" % length
        if self._version:
            self._framing = _Framing.CHUNKED
            return b"transfer-encoding: chunked\r\n"
        self._framing = _Framing.CLOSE
        return b""

    def _add_body(self, data: bytes) -> None:
        if not data or self._framing is _Framing.NONE:
            return
        if self._framing is _Framing.LENGTH:
            if len(data) > self._left:
                raise RuntimeError("the body is longer than its Content-Length")
            self._left -= len(data)
        self._push(chunk(data) if self._framing is _Framing.CHUNKED else data)

    def _finish(self) -> None:
        if self._framing is _Framing.LENGTH and self._left:
            raise RuntimeError("the body is shorter than its Content-Length")
        if self._framing is _Framing.CHUNKED:
            self._push(LAST_CHUNK)
        self.complete = True

    def _push(self, data: bytes) -> None:
        self._out.append(data)
        self.size += len(data)
