"""OpenAI chat completions, and all who speak it."""

from __future__ import annotations

import re

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields
from amaze_proxy.protocols.llm.records import LlmRequest, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

_KEYS = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "functions",
        "web_search_options",
    }
)
_MESSAGE_KEYS = frozenset({"role", "content"})
_TOOL_KEYS = frozenset({"type", "function", "custom"})
_NAME_KEYS = frozenset({"name"})
_OPTION_KEYS = frozenset({"include_usage"})
_OPTIONS = "stream_options"
_LIMITS = ("max_completion_tokens", "max_tokens")
_MOST_CHOICES = 128
_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_ASKS = frozenset({"tool_calls", "function_call", "audio"})
_DONE = "[DONE]"
_NULL_USAGE = re.compile(rb',[ \t]?"usage":[ \t]?null')


def _parse(family: Family, document: JsonObject) -> LlmRequest:
    messages = fields.objects(document, "messages", _MESSAGE_KEYS, required=True)
    roles = [fields.text(message, "role") for message in messages]
    stream = fields.flag(document, "stream")
    options = fields.member(document, _OPTIONS, _OPTION_KEYS) or {}
    tools, provider_tools = _tools(document)
    return LlmRequest(
        family,
        fields.model_name(document),
        stream=stream,
        output_limit=_output_limit(document),
        input_tokens=estimate.tokens(
            document["messages"],
            document.get("tools"),
            document.get("functions"),
            document.get("response_format"),
        ),
        tools=tools,
        provider_tools=provider_tools,
        user_message=roles[-1] == "user",
        wants_usage=fields.flag(options, "include_usage") and stream,
        document=document,
    )


def _choices(document: JsonObject) -> int:
    choices = fields.count(document, "n", least=1) or 1
    if choices > _MOST_CHOICES:
        raise Malformed(f"'n' must not be more than {_MOST_CHOICES}")
    return choices


def _output_limit(document: JsonObject) -> int | None:
    limits = [fields.count(document, name, least=1) for name in _LIMITS]
    given = [limit for limit in limits if limit is not None]
    choices = _choices(document)
    return max(given) * choices if given else None


def _tools(document: JsonObject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: list[str] = []
    provider_tools: list[str] = []
    for tool in fields.objects(document, "tools", _TOOL_KEYS):
        kind = fields.text(tool, "type")
        if kind in ("function", "custom"):
            definition = fields.member(tool, kind, _NAME_KEYS) or {}
            names.append(fields.text(definition, "name"))
        else:
            provider_tools.append(kind)
    functions = fields.objects(document, "functions", _NAME_KEYS)
    names += [fields.text(function, "name") for function in functions]
    if document.get("web_search_options") is not None:
        provider_tools.append("web_search")
    return fields.unique(names), fields.unique(provider_tools)


def _limit(document: JsonObject, tokens: int) -> None:
    """`tokens` over all choices, at least 1 for each, in the field that the request uses."""
    each = max(1, tokens // _choices(document))
    own = {name: fields.count(document, name) for name in _LIMITS}
    used = {name: min(limit, each) for name, limit in own.items() if limit is not None}
    document.update(used or {_LIMITS[0]: each})


def _stream(document: JsonObject, stream: bool) -> None:
    """Sets streaming; a stream always tells its usage."""
    document["stream"] = stream
    options = document.get(_OPTIONS)
    if stream:
        given = options if isinstance(options, dict) else {}
        document[_OPTIONS] = {**given, "include_usage": True}
    else:
        document.pop(_OPTIONS, None)  # OpenAI refuses it without a stream


def _usage(document: JsonObject) -> TokenUsage | None:
    usage = fields.child(document, "usage")
    spent = fields.number(usage, "prompt_tokens")
    if spent is None:
        return None
    read = fields.child(usage, "prompt_tokens_details")
    written = fields.child(usage, "completion_tokens_details")
    return TokenUsage(
        spent,
        fields.number(usage, "completion_tokens") or 0,
        fields.number(read, "cached_tokens") or 0,
        fields.number(read, "cache_write_tokens") or 0,
        fields.classes(
            [
                ("input_audio_tokens", fields.number(read, "audio_tokens")),
                ("output_audio_tokens", fields.number(written, "audio_tokens")),
            ]
        ),
        fields.string(document, "service_tier"),
    )


def _note_message(message: JsonObject, tally: Tally) -> None:
    """A message, or the delta of one: what was written, and the tools it asks for."""
    for name in _TEXTS:
        if written := message.get(name):
            tally.text += fields.size(written)
    if _ASKS.isdisjoint(message):
        return
    tally.text += fields.size(fields.child(message, "audio").get("transcript"))
    calls = [
        fields.child(call, kind)
        for call in fields.children(message, "tool_calls")
        for kind in ("function", "custom")
    ]
    for call in [*calls, fields.child(message, "function_call")]:
        if name := fields.string(call, "name"):
            tally.tools += (name,)
        tally.text += sum(fields.size(call.get(part)) for part in ("name", "arguments", "input"))


def _read(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.usage = _usage(document)
    choices = fields.children(document, "choices")
    tally.complete = bool(choices)
    for choice in choices:
        _note_message(fields.child(choice, "message"), tally)


class _Reader:
    def __init__(self, request: LlmRequest) -> None:
        self._hide_usage = not request.wants_usage

    def read(self, event: Event, tally: Tally) -> bytes:
        if event.data.startswith(_DONE):  # as the clients read it
            tally.complete = True
            return event.raw
        document = fields.loads(event.data) if event.data else {}
        if not document:
            return event.raw
        tally.model = tally.model or fields.string(document, "model")
        for choice in fields.children(document, "choices"):
            _note_message(fields.child(choice, "delta"), tally)
        usage = _usage(document)
        if usage is not None:
            tally.usage = usage
        if self._hide_usage and "usage" in document:
            return _without_usage(event.raw, document)
        return event.raw


def _without_usage(raw: bytes, document: JsonObject) -> bytes:
    """The chunk as it would have come if the usage had not been asked for."""
    if document["usage"] is None:
        # Within a JSON string the quotes would be escaped, so this is a member, not text.
        return _NULL_USAGE.sub(b"", raw, count=1)
    alone = document.get("choices") == [] and not document.get("moderation")
    return b"" if alone else raw


def _frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    choices = fields.children(answer, "choices")
    if not choices:
        raise Malformed("the answer is not a chat completion")
    base = {k: v for k, v in answer.items() if k not in ("object", "choices", "usage")}
    base["object"] = "chat.completion.chunk"
    told: JsonObject = {"usage": None} if request.wants_usage else {}
    chunks: list[JsonObject] = []
    for position, choice in enumerate(choices):
        index = choice.get("index", position)
        rest = {k: v for k, v in choice.items() if k not in ("message", "finish_reason")}
        delta = _delta(fields.child(choice, "message"))
        whole: JsonObject = {**rest, "index": index, "delta": delta, "finish_reason": None}
        final: JsonObject = {"index": index, "delta": {}, "logprobs": None}
        final["finish_reason"] = choice.get("finish_reason")
        chunks += [{**base, "choices": [part], **told} for part in (whole, final)]
    if request.wants_usage:
        chunks.append({**base, "choices": [], "usage": answer.get("usage")})
    return [*(Event(data=dumps(chunk).decode()) for chunk in chunks), Event(data=_DONE)]


def _delta(message: JsonObject) -> JsonObject:
    """A message as the one delta that makes it; null members say nothing."""
    delta: JsonObject = {k: v for k, v in message.items() if v is not None and k != "tool_calls"}
    calls: list[JsonValue] = [
        {"index": index, **call}
        for index, call in enumerate(fields.children(message, "tool_calls"))
    ]
    return {**delta, "tool_calls": calls} if calls else delta


WIRE = Wire(_KEYS, _parse, _read, limit=_limit, stream=_stream, reader=_Reader, frames=_frames)
