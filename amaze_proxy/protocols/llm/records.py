"""What all wire families are read into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from amaze_proxy.protocols.llm.framing import SSE, Framing
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens as the provider counted them, in one meaning for all families.

    `input` includes `cached_read` and `cached_write`; `output` includes reasoning. `extra` are
    rarer classes that are within those (audio, image, long-lived cache writes) or beside them
    (searches), as pairs of the price table's usage name and count. `tier` is the service tier
    that the provider says it used ("" when it says none).
    """

    input: int
    output: int
    cached_read: int = 0
    cached_write: int = 0
    extra: tuple[tuple[str, int], ...] = ()
    tier: str = ""


@dataclass(frozen=True, slots=True)
class LlmRequest:
    """A request to a model, with everything in it that is decided on.

    `output_limit` is in tokens over all answers asked for (None: the request sets none);
    `input_tokens` a conservative estimate (see `estimate`); `tools` the names offered that the
    caller itself runs; `provider_tools` the kinds of tools that run at the provider's side;
    `user_message` whether the last message is a new one of the user, not a tool's result;
    `wants_usage` whether the caller asked to be told the usage in a stream.
    """

    family: Family
    model: str
    stream: bool = False
    output_limit: int | None = None
    input_tokens: int = 0
    tools: tuple[str, ...] = ()
    provider_tools: tuple[str, ...] = ()
    user_message: bool = False
    wants_usage: bool = False
    document: JsonObject = field(default_factory=dict)


@dataclass(slots=True)
class Tally:
    """What an answer, or as much of it as came, tells.

    `usage` None: it did not say. `tools` are the tools that the model asked for, in order.
    `complete`: the answer came to its end. `output_bytes` counts all bytes of the answer, `text`
    the UTF-8 bytes of what the model wrote (words, reasoning, tool names and arguments).
    `begun` is what a stream told of the input before it was cut (its output is not known).
    """

    usage: TokenUsage | None = None
    model: str = ""
    tools: tuple[str, ...] = ()
    complete: bool = False
    output_bytes: int = 0
    text: int = 0
    begun: TokenUsage | None = None


class Reader(Protocol):
    """Reads one streamed answer of one family, event by event, into a tally."""

    def read(self, event: Event, tally: Tally) -> bytes:
        """Notes what the event tells; returns the bytes that the client gets of it."""
        ...

    def end(self, tally: Tally) -> bytes:
        """At the end of the stream's bytes: what was held back until then."""
        return b""


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire family: the functions that know its shapes.

    `keys` are the members decided on; `parse` gets the model that the URL names ("": none) and
    raises Malformed; `read` notes what a whole answer tells; a request by another `method` than
    POST has no body. `limit` lowers or sets the output limit of a document, `stream` switches its
    streaming, both in place. `reader` reads a stream, `frames` makes one of a whole answer; a
    family that does not stream has neither. `framing` is the form of the stream.
    """

    keys: frozenset[str]
    parse: Callable[[Family, JsonObject, str], LlmRequest]
    read: Callable[[JsonObject, Tally], None]
    method: str = "POST"
    limit: Callable[[JsonObject, int], None] | None = None
    stream: Callable[[JsonObject, bool], None] | None = None
    reader: Callable[[LlmRequest], Reader] | None = None
    frames: Callable[[LlmRequest, JsonObject], list[Event]] | None = None
    framing: Framing = SSE
