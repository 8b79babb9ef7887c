"""A whole Anthropic message, as the stream of events that would have made it."""

from __future__ import annotations

from collections.abc import Iterator

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields
from amaze_proxy.protocols.llm.records import LlmRequest
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, dumps

_END = ("stop_reason", "stop_sequence", "stop_details", "container")
_TOTALS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "server_tool_use",
    "output_tokens_details",
)


def frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    """The events. Raises Malformed if `answer` is no message."""
    if not isinstance(answer.get("content"), list):
        raise Malformed("the answer is not a message")
    return [
        Event(event=kind, data=dumps({"type": kind, **body}).decode())
        for kind, body in _events(answer)
    ]


def _events(answer: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    usage = fields.child(answer, "usage")
    begun: JsonObject = {**answer, "content": [], "stop_reason": None, "stop_sequence": None}
    begun["usage"] = {**usage, "output_tokens": 0}
    yield "message_start", {"message": begun}
    for index, block in enumerate(fields.children(answer, "content")):
        empty, deltas = _block(block)
        yield "content_block_start", {"index": index, "content_block": empty}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    delta = {name: answer.get(name) for name in _END if name in answer}
    totals = {name: usage[name] for name in _TOTALS if name in usage}
    yield "message_delta", {"delta": delta, "usage": {"output_tokens": 0, **totals}}
    yield "message_stop", {}


def _block(block: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """How a block begins, and the deltas that complete it. A block that is not streamed in parts
    begins as it is."""
    kind = fields.string(block, "type")
    if kind == "text":
        empty: JsonObject = {**block, "text": ""}
        cited = fields.children(block, "citations")
        if cited:
            empty["citations"] = []
        citations: list[JsonObject] = [{"type": "citations_delta", "citation": c} for c in cited]
        return empty, [{"type": "text_delta", "text": block.get("text")}, *citations]
    if kind == "thinking":
        return {**block, "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block.get("thinking")},
            {"type": "signature_delta", "signature": block.get("signature")},
        ]
    if kind.endswith("tool_use"):
        given = dumps(block.get("input")).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": given}]
    return block, []
