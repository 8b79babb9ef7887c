"""Metering one streamed answer on its way to the client."""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.protocols.llm.framing import SSE, Framing
from amaze_proxy.protocols.llm.records import Reader, Tally
from amaze_proxy.protocols.sse import Event


class Meter:
    """Passes a stream on, whole events only and in order, and counts what is in it.

    The bytes are those that came, except what the client did not ask for (the usage that
    `prepare` asked for in its place). Held back are the one event that is still incomplete and, in
    a family whose streams have no terminator, one that could be the last.
    """

    def __init__(self, reader: Reader, framing: Framing = SSE) -> None:
        self._reader = reader
        self._splitter = framing.splitter()
        self._tally = Tally()

    def feed(self, chunk: bytes) -> bytes:
        """What the client gets of `chunk`. Raises Malformed for what is not of the stream's form,
        TooLarge for an event without end."""
        self._tally.output_bytes += len(chunk)
        return b"".join([self._read(event) for event in self._splitter.feed(chunk)])

    def end(self) -> bytes:
        """What the client gets of the rest, at the end of the upstream's bytes."""
        rest = self._splitter.end()
        last = self._read(rest) if rest is not None else b""
        return last + self._reader.end(self._tally)

    def _read(self, event: Event) -> bytes:
        return self._reader.read(event, self._tally)

    @property
    def complete(self) -> bool:
        """Whether the family's own end of a stream was seen."""
        return self._tally.complete

    def tally(self) -> Tally:
        """What was counted so far."""
        return replace(self._tally)
