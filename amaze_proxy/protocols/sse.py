"""Server-sent events (WHATWG HTML §9.2.6), read as they come and written.

The reader keeps the bytes of each event, so that what is passed on can be what came in.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from amaze_proxy.protocols.errors import TooLarge

MAX_EVENT = 16 * 1024 * 1024

# Two line ends in a row. A CR at the end of what has come could be half of a CRLF: wait for it.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?=[^\n])){2}")
_LINE_END = re.compile(r"\r\n|\n|\r")
_BOM = "\ufeff"


class Event(NamedTuple):
    """One event. A block without data (a comment, a keep-alive) has `data` "" and is no event to
    a client, but its bytes are to be passed on. `raw` is the event as it came, blank line
    included."""

    event: str = ""
    data: str = ""
    id: str = ""
    raw: bytes = b""


class Parser:
    """Cuts a stream into events; however the stream is cut into chunks, the events are the same."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        """An event larger than `max_event` bytes raises TooLarge."""
        self._max = max_event
        self._buffer = bytearray()
        self._seen = 0  # no blank line begins before this position
        self._first = True
        self._returns = False  # whether a CR has come: most streams have none

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes."""
        buffer = self._buffer
        buffer += chunk
        self._returns = self._returns or b"\r" in chunk
        events: list[Event] = []
        start = 0
        position = self._seen
        while (position := self._after_blank_line(position)) > 0:
            events.append(self._event(bytes(buffer[start:position])))
            start = position
        if start:
            del buffer[:start]
        if len(buffer) > self._max:
            raise TooLarge(f"an event of the stream is larger than {self._max} bytes")
        self._seen = max(0, len(buffer) - 3)
        return events

    def end(self) -> Event | None:
        """What is left at the end of the stream, read as if a blank line followed."""
        raw = bytes(self._buffer)
        self._buffer.clear()
        self._seen = 0
        return self._event(raw) if raw else None

    def _after_blank_line(self, position: int) -> int:
        """Where the event that ends at or after `position` ends; 0 if its end has not come."""
        if self._returns:
            found = _BLANK_LINE.search(self._buffer, position)
            return found.end() if found else 0
        newlines = self._buffer.find(b"\n\n", position)
        return newlines + 2 if newlines >= 0 else 0

    def _event(self, raw: bytes) -> Event:
        if len(raw) > self._max:
            raise TooLarge(f"an event of the stream is larger than {self._max} bytes")
        text = raw.decode("utf-8", "replace")
        if self._first:
            self._first = False
            text = text.removeprefix(_BOM)
        return _read(text, raw)


def _read(text: str, raw: bytes) -> Event:
    event = identifier = ""
    data: list[str] = []
    for line in _lines(text):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            event = value
        elif name == "id" and "\0" not in value:
            identifier = value
    return Event(event, "\n".join(data), identifier, raw)


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text) if "\r" in text else text.split("\n")


def format(event: Event) -> bytes:
    """The event's bytes, from `event`, `id` and `data` (not from `raw`)."""
    lines = [f"event: {event.event}"] if event.event else []
    if event.id:
        lines.append(f"id: {event.id}")
    lines.extend(f"data: {line}" for line in _lines(event.data))
    return ("\n".join(lines) + "\n\n").encode("utf-8")
