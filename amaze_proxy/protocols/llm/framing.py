"""How a stream is cut into events: server-sent events, lines of JSON, the elements of an array.

Whatever the form, an event's `data` is its JSON and its `raw` the bytes it came as, separators
included, so that the events together are the stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.sse import MAX_EVENT, Event

ARRAY_END = "array-end"  # the `event` of the bracket that ends an array


class Splitter(Protocol):
    """Cuts a stream into events; however it is cut into chunks, the events are the same."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises Malformed, or TooLarge for one without end."""
        ...

    def end(self) -> Event | None:
        """What is left at the end of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Framing:
    """One form of streams: its content type, its reader and its writer."""

    content_type: bytes
    splitter: Callable[[], Splitter]
    write: Callable[[list[Event]], bytes]


def _too_large(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"an event of the stream is larger than {most} bytes")


class Lines:
    """Newline-delimited JSON (Ollama): an event is a line. A blank line has no data."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        """A line longer than `max_event` bytes raises TooLarge."""
        self._max = max_event
        self._parts: list[bytes] = []  # of the line that is not complete
        self._size = 0

    def feed(self, chunk: bytes) -> list[Event]:
        *ends, rest = chunk.split(b"\n")
        events = [self._line(end + b"\n") for end in ends]
        self._keep(rest)
        return events

    def end(self) -> Event | None:
        return self._line(b"") if self._parts else None

    def _line(self, end: bytes) -> Event:
        self._keep(end)
        raw = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return Event(data=raw.decode("utf-8", "replace").strip(), raw=raw)

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
            _too_large(self._size, self._max)


_OUTSIDE = re.compile(rb'["\[\]{}]')  # what counts outside of a string
_INSIDE = re.compile(rb'["\\]')
# What may come before an element: the array's bracket, or a comma.
_BEFORE_FIRST = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*")
_BEFORE_NEXT = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")
_SPACE = re.compile(rb"[ \t\r\n]*")


class Array:
    """One JSON array of objects (Gemini without `alt=sse`): an event is an element with what
    stands before it; the closing bracket is the last one."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        """An element larger than `max_event` bytes raises TooLarge."""
        self._max = max_event
        self._buffer = bytearray()
        self._at = 0  # read up to here
        self._start = 0  # where the element begins
        self._depth = 0
        self._quoted = False
        self._elements = False
        self._closed = False

    def feed(self, chunk: bytes) -> list[Event]:
        self._buffer += chunk
        events: list[Event] = []
        while (mark := self._next_mark()) is not None:
            if event := self._note(mark):
                events.append(event)
        _too_large(len(self._buffer), self._max)
        return events

    def end(self) -> Event | None:
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._at = 0
        if self._closed and not _SPACE.fullmatch(rest):
            raise Malformed("something follows the end of the array")
        return Event(raw=rest) if rest else None

    def _next_mark(self) -> re.Match[bytes] | None:
        """The next byte that changes the state; what comes before it is read."""
        found = (_INSIDE if self._quoted else _OUTSIDE).search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer)
        elif found[0] == b"\\" and found.end() == len(self._buffer):
            self._at = found.start()
            return None  # the byte that it escapes has not come
        return found

    def _note(self, mark: re.Match[bytes]) -> Event | None:
        """Raises Malformed where the bytes are no array of objects."""
        self._at = mark.end()
        match mark[0]:
            case b"\\":
                self._at += 1
            case b'"':
                self._quoted = not self._quoted
            case b"[" | b"{" as opened:
                self._open(opened, mark.start())
            case closed:
                return self._close(closed)
        return None

    def _open(self, bracket: bytes, position: int) -> None:
        if self._depth == 0 and (bracket == b"{" or self._closed):
            raise Malformed("the stream is not one JSON array")
        if self._depth == 1:
            before = _BEFORE_NEXT if self._elements else _BEFORE_FIRST
            if bracket == b"[" or not before.fullmatch(self._buffer, 0, position):
                raise Malformed("the stream is not an array of objects")
            self._start = position
        self._depth += 1

    def _close(self, bracket: bytes) -> Event | None:
        self._depth -= 1
        if self._depth > 1:
            return None
        if self._depth == 1 and bracket == b"}":
            self._elements = True
            return self._cut()
        before = _SPACE if self._elements else _BEFORE_FIRST
        if self._depth == 0 and bracket == b"]" and before.fullmatch(self._buffer, 0, self._at - 1):
            self._closed = True
            self._start = self._at
            return self._cut(ARRAY_END)
        raise Malformed("the stream is not an array of objects")

    def _cut(self, event: str = "") -> Event:
        raw, data = bytes(self._buffer[: self._at]), self._buffer[self._start : self._at]
        _too_large(len(raw), self._max)
        del self._buffer[: self._at]
        self._at = self._start = 0
        return Event(event, data.decode("utf-8", "replace"), raw=raw)


def _lines(events: list[Event]) -> bytes:
    return b"".join(event.data.encode() + b"\n" for event in events)


def _array(events: list[Event]) -> bytes:
    return b"[" + b",\n".join(event.data.encode() for event in events) + b"]"


def _events(events: list[Event]) -> bytes:
    return b"".join(map(sse.format, events))


SSE = Framing(b"text/event-stream", sse.Parser, _events)
NDJSON = Framing(b"application/x-ndjson", Lines, _lines)
JSON_ARRAY = Framing(b"application/json", Array, _array)
