"""Metering one streamed answer on its way to the client."""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.protocols.llm.records import Reader, Tally
from amaze_proxy.protocols.sse import Event, Parser


class Meter:
    """Passes a stream on, whole events only and in order, and counts what is in it.

    The bytes are those that came, except what the client did not ask for (the usage that
    `prepare` asked for in its place). At most one event, the one still incomplete, is held back.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parser = Parser()
        self._tally = Tally()

    def feed(self, chunk: bytes) -> bytes:
        """What the client gets of `chunk`. Raises TooLarge for an event without end."""
        self._tally.output_bytes += len(chunk)
        return b"".join([self._read(event) for event in self._parser.feed(chunk)])

    def end(self) -> bytes:
        """What the client gets of the rest, at the end of the upstream's bytes."""
        rest = self._parser.end()
        return self._read(rest) if rest is not None else b""

    def _read(self, event: Event) -> bytes:
        return self._reader.read(event, self._tally)

    @property
    def complete(self) -> bool:
        """Whether the family's own end of a stream was seen."""
        return self._tally.complete

    def tally(self) -> Tally:
        """What was counted so far."""
        return replace(self._tally)
