"""OpenAI chat completions, and all who speak it, each in its manner."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields, reach
from amaze_proxy.protocols.llm.openai_chat_frames import DONE, frames
from amaze_proxy.protocols.llm.records import LlmRequest, Reader, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject

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
        *reach.KEYS,
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
_NULL_USAGE = re.compile(rb',[ \t]?"usage":[ \t]?null')


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a host's chat differs from OpenAI's.

    `obeys` is the output limit that it surely obeys ("": the one that the request uses; many do
    not know `max_completion_tokens`, and pass over it); `asks` whether a stream tells its usage
    only to who asks for it.
    """

    obeys: str
    asks: bool


_OPENAI = _Manner("", asks=True)
_COMPATIBLE = _Manner("max_tokens", asks=True)
# Mistral refuses members that it does not know, `stream_options` among them.
_TELLING = _Manner("max_tokens", asks=False)


def _parse(manner: _Manner, family: Family, document: JsonObject, model: str) -> LlmRequest:
    messages = fields.objects(document, "messages", _MESSAGE_KEYS, required=True)
    roles = [fields.text(message, "role") for message in messages]
    stream = fields.flag(document, "stream")
    options = fields.member(document, _OPTIONS, _OPTION_KEYS) or {}
    name = fields.model_name(document, model)
    tools, provider_tools = _tools(document, name)
    return LlmRequest(
        family,
        name,
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
        wants_usage=(fields.flag(options, "include_usage") or not manner.asks) and stream,
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


def _tools(document: JsonObject, model: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
    provider_tools += reach.tools(document, model)
    return fields.unique(names), fields.unique(provider_tools)


def _limit(manner: _Manner, document: JsonObject, tokens: int) -> None:
    """`tokens` over all choices, at least 1 for each, in the fields that the request uses."""
    each = max(1, tokens // _choices(document))
    own = {name: fields.count(document, name) for name in _LIMITS}
    used = {name: min(limit, each) for name, limit in own.items() if limit is not None}
    least = min(used.values(), default=each)
    if manner.obeys:
        used.setdefault(manner.obeys, least)
    document.update(used or {_LIMITS[0]: each})


def _stream(manner: _Manner, document: JsonObject, stream: bool) -> None:
    """Sets streaming; a stream always tells its usage."""
    document["stream"] = stream
    options = document.get(_OPTIONS)
    if stream and not manner.asks:
        return
    if stream:
        given = options if isinstance(options, dict) else {}
        document[_OPTIONS] = {**given, "include_usage": True}
    else:
        document.pop(_OPTIONS, None)  # OpenAI refuses it without a stream


def _usage(document: JsonObject) -> TokenUsage | None:
    usage = fields.child(document, "usage")
    if not usage:  # where Groq's streams have it
        usage = fields.child(fields.child(document, "x_groq"), "usage")
    spent = fields.number(usage, "prompt_tokens")
    if spent is None:
        return None
    read = fields.child(usage, "prompt_tokens_details")
    written = fields.child(usage, "completion_tokens_details")
    return TokenUsage(
        spent,
        fields.number(usage, "completion_tokens") or 0,
        _cached(usage, read),
        fields.number(read, "cache_write_tokens") or 0,
        fields.classes(
            [
                ("input_audio_tokens", fields.number(read, "audio_tokens")),
                ("output_audio_tokens", fields.number(written, "audio_tokens")),
            ]
        ),
        fields.string(document, "service_tier"),
    )


def _cached(usage: JsonObject, details: JsonObject) -> int:
    told = fields.number(details, "cached_tokens")
    if told is None:  # where DeepSeek has it
        told = fields.number(usage, "prompt_cache_hit_tokens")
    return told or 0


def _note_message(message: JsonObject, tally: Tally) -> None:
    """A message, or the delta of one: what was written, and the tools it asks for."""
    for name in _TEXTS:
        if told := message.get(name):
            tally.text += estimate.written(told)
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
        parts = ("name", "arguments", "input")
        tally.text += sum(estimate.written(call.get(part)) for part in parts)


def _read(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.usage = _usage(document)
    choices = fields.children(document, "choices")
    tally.complete = bool(choices)
    for choice in choices:
        _note_message(fields.child(choice, "message"), tally)


class _Reader(Reader):
    def __init__(self, request: LlmRequest) -> None:
        self._hide_usage = not request.wants_usage

    def read(self, event: Event, tally: Tally) -> bytes:
        if event.data.startswith(DONE):  # as the clients read it
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


def _wire(manner: _Manner) -> Wire:
    return Wire(
        _KEYS,
        partial(_parse, manner),
        _read,
        limit=partial(_limit, manner),
        stream=partial(_stream, manner),
        reader=_Reader,
        frames=frames,
    )


WIRE = _wire(_OPENAI)
COMPATIBLE_WIRE = _wire(_COMPATIBLE)
TELLING_WIRE = _wire(_TELLING)
