"""A whole OpenAI chat completion, as the stream of chunks that would have made it."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields
from amaze_proxy.protocols.llm.records import LlmRequest
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

DONE = "[DONE]"


def frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    """The chunks. Raises Malformed if `answer` is no chat completion."""
    choices = fields.children(answer, "choices")
    if not choices:
        raise Malformed("the answer is not a chat completion")
    base = {k: v for k, v in answer.items() if k not in ("object", "choices", "usage")}
    base["object"] = "chat.completion.chunk"
    usage: JsonObject = {"usage": answer.get("usage")} if request.wants_usage else {}
    within = request.family is Family.MISTRAL_CHAT  # with its last choice, not after it
    told: JsonObject = {"usage": None} if usage and not within else {}
    chunks: list[JsonObject] = []
    for position, choice in enumerate(choices):
        index = choice.get("index", position)
        rest = {k: v for k, v in choice.items() if k not in ("message", "finish_reason")}
        delta = _delta(fields.child(choice, "message"))
        whole: JsonObject = {**rest, "index": index, "delta": delta, "finish_reason": None}
        final: JsonObject = {"index": index, "delta": {}, "logprobs": None}
        final["finish_reason"] = choice.get("finish_reason")
        chunks += [{**base, "choices": [part], **told} for part in (whole, final)]
    if within:
        chunks[-1] |= usage
    elif usage:
        chunks.append({**base, "choices": [], **usage})
    return [*(Event(data=dumps(chunk).decode()) for chunk in chunks), Event(data=DONE)]


def _delta(message: JsonObject) -> JsonObject:
    """A message as the one delta that makes it; null members say nothing."""
    delta: JsonObject = {k: v for k, v in message.items() if v is not None and k != "tool_calls"}
    calls: list[JsonValue] = [
        {"index": index, **call}
        for index, call in enumerate(fields.children(message, "tool_calls"))
    ]
    return {**delta, "tool_calls": calls} if calls else delta
