"""A whole OpenAI response, as the stream of events that would have made it."""

from __future__ import annotations

from collections.abc import Iterator

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields
from amaze_proxy.protocols.llm.records import LlmRequest
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

_ENDS = {"incomplete": "response.incomplete", "failed": "response.failed"}
# Item type to the member that is streamed and the name of its events.
_STREAMED = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
}
# Content type to the member that is streamed, the name of its events, and their own members.
_PARTS: dict[str, tuple[str, str, JsonObject]] = {
    "output_text": ("text", "response.output_text", {"logprobs": []}),
    "refusal": ("refusal", "response.refusal", {}),
}


def frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    """The events, numbered from 0. Raises Malformed if `answer` is no response."""
    if not isinstance(answer.get("output"), list):
        raise Malformed("the answer is not a response")
    return [
        Event(event=kind, data=dumps({"type": kind, "sequence_number": number, **body}).decode())
        for number, (kind, body) in enumerate(_events(answer))
    ]


def _events(answer: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(fields.children(answer, "output")):
        yield from _item(index, item)
    yield _ENDS.get(fields.string(answer, "status"), "response.completed"), {"response": answer}


def _item(index: int, item: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    kind = fields.string(item, "type")
    where: JsonObject = {"item_id": item.get("id"), "output_index": index}
    streamed, name = _STREAMED.get(kind, ("", ""))
    begun: JsonObject = {**item, "status": "in_progress"} if "status" in item else {**item}
    if kind == "message":
        begun["content"] = []
    elif streamed:
        begun[streamed] = ""
    yield "response.output_item.added", {"output_index": index, "item": begun}
    if kind == "message":
        for position, part in enumerate(fields.children(item, "content")):
            yield from _part({**where, "content_index": position}, part)
    elif streamed:
        value: JsonValue = fields.string(item, streamed)
        yield f"{name}.delta", {**where, "delta": value}
        yield f"{name}.done", {**where, "name": item.get("name"), streamed: value}
    yield "response.output_item.done", {"output_index": index, "item": item}


def _part(where: JsonObject, part: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    member, name, own = _PARTS.get(fields.string(part, "type"), ("", "", {}))
    begun = {**part, member: ""} if member else part
    yield "response.content_part.added", {**where, "part": begun}
    if member:
        value: JsonValue = fields.string(part, member)
        yield f"{name}.delta", {**where, **own, "delta": value}
        yield f"{name}.done", {**where, **own, member: value}
    yield "response.content_part.done", {**where, "part": part}
