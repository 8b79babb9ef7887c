"""Events are those of a reader that has the whole stream; chunking does not matter, and no byte
is lost."""

from __future__ import annotations

import re
from collections.abc import Iterable

from amaze_proxy.protocols.sse import Event, Parser, format
from tests.fuzz.pieces import bytewise


def check(data: bytes) -> None:
    events = _read([data])
    assert _read(bytewise(data)) == events
    assert b"".join(event.raw for event in events) == data
    assert [event[:3] for event in events if event.data] == _by_lines(data)
    for event in events:
        _check_format(event)


def _read(pieces: Iterable[bytes]) -> list[Event]:
    parser = Parser()
    events = [event for piece in pieces for event in parser.feed(piece)]
    rest = parser.end()
    return events if rest is None else [*events, rest]


def _by_lines(data: bytes) -> list[tuple[str, str, str]]:
    """As WHATWG HTML §9.2.6 has it, line by line over the whole text."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    found: list[tuple[str, str, str]] = []
    fields: dict[str, list[str]] = {}
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        if line:
            name, _, value = line.partition(":")
            if not (name == "id" and "\0" in value):
                fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        told = "\n".join(fields.get("data", []))
        if told:
            found.append((fields.get("event", [""])[-1], told, fields.get("id", [""])[-1]))
        fields = {}
    return found


def _check_format(event: Event) -> None:
    if not event.data or "\r" in event.data:  # a line end is written as LF
        return
    written = format(event)
    assert [again[:3] for again in _read([written]) if again.data] == [event[:3]]
