"""Calls to models: requests read and prepared, answers metered, in the provider's own format.

A wire family is a module with a `Wire`; the table here is the one place that lists them.
"""

from __future__ import annotations

from types import MappingProxyType

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import (
    anthropic_messages,
    estimate,
    fields,
    gemini,
    gemini_embeddings,
    listings,
    ollama,
    openai_chat,
    openai_embeddings,
    openai_responses,
)
from amaze_proxy.protocols.llm.meter import Meter
from amaze_proxy.protocols.llm.records import LlmRequest, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import dumps, parse_object, reject_variants

__all__ = [
    "LlmRequest",
    "Meter",
    "Tally",
    "TokenUsage",
    "estimate_output",
    "meter",
    "parse_request",
    "prepare",
    "read_answer",
    "reframe",
    "stream_type",
    "wants_body",
]

WIRES: MappingProxyType[Family, Wire] = MappingProxyType(
    {
        Family.OPENAI_CHAT: openai_chat.WIRE,
        Family.OPENAI_RESPONSES: openai_responses.WIRE,
        Family.OPENAI_EMBEDDINGS: openai_embeddings.WIRE,
        Family.OPENAI_MODELS: listings.WIRE,
        Family.COMPATIBLE_CHAT: openai_chat.COMPATIBLE_WIRE,
        Family.OPENROUTER_CHAT: openai_chat.TELLING_WIRE,
        Family.MISTRAL_CHAT: openai_chat.TELLING_WIRE,
        Family.MISTRAL_EMBEDDINGS: openai_embeddings.WIRE,
        Family.MISTRAL_MODELS: listings.WIRE,
        Family.ANTHROPIC_MESSAGES: anthropic_messages.WIRE,
        Family.ANTHROPIC_COUNT_TOKENS: anthropic_messages.COUNT_WIRE,
        Family.ANTHROPIC_MODELS: listings.WIRE,
        Family.GEMINI_GENERATE: gemini.GENERATE_WIRE,
        Family.GEMINI_STREAM: gemini.STREAM_WIRE,
        Family.GEMINI_STREAM_ARRAY: gemini.ARRAY_WIRE,
        Family.GEMINI_COUNT_TOKENS: gemini.COUNT_WIRE,
        Family.GEMINI_EMBED: gemini_embeddings.WIRE,
        Family.GEMINI_BATCH_EMBED: gemini_embeddings.BATCH_WIRE,
        Family.GEMINI_MODELS: listings.WIRE,
        Family.OLLAMA_CHAT: ollama.CHAT_WIRE,
        Family.OLLAMA_GENERATE: ollama.GENERATE_WIRE,
        Family.OLLAMA_EMBED: ollama.EMBED_WIRE,
        Family.OLLAMA_TAGS: listings.WIRE,
    }
)


def parse_request(family: Family, body: bytes, method: str = "POST", model: str = "") -> LlmRequest:
    """The request in `body`. Raises Malformed, whose text is for the caller to read.

    `model` is the one that the URL names (`LlmRoute.model`): it is the one that is decided on.
    Strict on everything that is decided on; members that we do not know are passed on unread.
    """
    wire = WIRES[family]
    if method != wire.method:
        raise Malformed(f"{family} is asked for by {wire.method}")
    if wire.method != "POST" and body:
        raise Malformed(f"a {method} request must not have a body")
    document = parse_object(body) if wire.method == "POST" else {}
    reject_variants(document, wire.keys)
    return wire.parse(family, document, model)


def wants_body(family: Family) -> bool:
    """Whether a request of the family has a body."""
    return WIRES[family].method == "POST"


def prepare(
    request: LlmRequest, *, stream: bool | None = None, output_limit: int | None = None
) -> bytes | None:
    """The body to forward; None: the bytes as they came.

    `stream=False` asks for the whole answer instead of a stream (where the URL asks for it, see
    `providers.whole_target`); `output_limit` (tokens, over all
    answers) is written into the request's own limit. A stream that does not tell its usage
    unasked is asked for it; the `Meter` hides it again from a client that did not ask.
    """
    wire = WIRES[request.family]
    document = dict(request.document)
    if wire.stream is not None and request.stream:
        wire.stream(document, stream is not False)
    if wire.limit is not None and output_limit is not None:
        wire.limit(document, output_limit)
    return None if document == request.document else dumps(document)


def meter(request: LlmRequest) -> Meter:
    """For one streamed answer to `request`, from its first byte."""
    wire = WIRES[request.family]
    if wire.reader is None:
        raise Malformed(f"an answer of {request.family} does not come as a stream")
    return Meter(wire.reader(request), wire.framing)


def stream_type(request: LlmRequest) -> bytes:
    """The content type of a streamed answer to `request`, without parameters."""
    return WIRES[request.family].framing.content_type


def read_answer(request: LlmRequest, body: bytes) -> Tally:
    """What an answer that came whole tells. What cannot be read leaves `usage` None."""
    tally = Tally(output_bytes=len(body))
    if document := fields.loads(body):
        WIRES[request.family].read(document, tally)
    return tally


def estimate_output(tally: Tally) -> int:
    """The tokens of an answer that was cut off (see `estimate.output`)."""
    return estimate.output(tally)


def reframe(request: LlmRequest, body: bytes) -> bytes:
    """A whole answer as the stream that the client asked for. Raises Malformed if it is none."""
    wire = WIRES[request.family]
    if wire.frames is None:
        raise Malformed(f"an answer of {request.family} does not come as a stream")
    return wire.framing.write(wire.frames(request, fields.loads(body)))
