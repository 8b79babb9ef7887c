"""How one kind of call is sent and its answer read; the relay does the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from amaze_proxy.pipeline.calls import Way
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.protocols.mcp import Asked
from amaze_proxy.protocols.sse import Event, format

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream"


class Reader(Protocol):
    """Reads an answer that comes as a stream, and says what the client gets of it."""

    @property
    def complete(self) -> bool: ...
    def feed(self, chunk: bytes) -> bytes: ...
    def end(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """What lists of tools told. `changed`: one is not what was accepted; `news`: those (name:
    fingerprint) that the store has to hear of."""

    changed: bool = False
    news: Mapping[str, str] = field(default_factory=dict)


NOTHING_LISTED = Listed()


class Handling(Protocol):
    """One call's protocol. `looks_inside` False: body and answer pass as they come.

    All that reads an answer raises Malformed for one that cannot be read.
    """

    looks_inside: bool
    early: bool
    """Whether the client gets the head of a stream before there is anything in it."""
    posts_to: Way | None
    """Where the target takes the client's messages; None: where the call goes."""

    @property
    def whole_stream(self) -> bool:
        """Whether a stream that ends now, before it is complete, is broken off."""
        ...

    def edited(self) -> bytes | None:
        """The request body with what our duties change in it; None: as it came."""
        ...

    def target(self, path: bytes) -> bytes:
        """The request target to send, of the one that was decided on."""
        ...

    def reader(self, media_type: bytes) -> Reader | None:
        """For an answer of that media type that comes as a stream; None: read it whole."""
        ...

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        """A whole answer's media type and body for the client; None: as they came."""
        ...

    def check_error(self, media_type: bytes, body: bytes) -> None:
        """Reads the body of an HTTP error of the target's own."""
        ...

    def used(self) -> Used:
        """What the call used so far, of a target that did not answer with an HTTP error."""
        ...

    def card_urls(self) -> tuple[str, ...]:
        """The URLs that the agent's card in the answer names."""
        ...

    def asked(self) -> list[Asked]:
        """What the target asked of the client and may not, since this was last called."""
        ...

    def listed(self) -> Listed:
        """The tools that the target listed; the news since this was last called."""
        ...


class Passing:
    """A call that is not looked into."""

    looks_inside = False
    early = False
    posts_to: Way | None = None

    @property
    def whole_stream(self) -> bool:
        return False

    def edited(self) -> bytes | None:
        return None

    def target(self, path: bytes) -> bytes:
        return path

    def reader(self, media_type: bytes) -> Reader | None:
        return None

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        return None

    def check_error(self, media_type: bytes, body: bytes) -> None:
        return None

    def used(self) -> Used:
        return Used()

    def card_urls(self) -> tuple[str, ...]:
        return ()

    def asked(self) -> list[Asked]:
        return []

    def listed(self) -> Listed:
        return NOTHING_LISTED


def as_event(body: bytes) -> bytes:
    """One JSON document as one server-sent event."""
    return format(Event(event="message", data=body.decode()))
