"""Ollama's own chat, generate and embed. They stream, lines of JSON, unless told not to."""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields
from amaze_proxy.protocols.llm.framing import NDJSON
from amaze_proxy.protocols.llm.records import LlmRequest, Reader, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

_KEYS = frozenset(
    {
        "model",
        "messages",
        "prompt",
        "suffix",
        "system",
        "template",
        "context",
        "images",
        "input",
        "stream",
        "options",
        "tools",
        "format",
    }
)
_MESSAGE_KEYS = frozenset({"role", "content", "images"})
_TOOL_KEYS = frozenset({"type", "function"})
_NAME_KEYS = frozenset({"name"})
_LIMIT = "num_predict"
_OPTION_KEYS = frozenset({_LIMIT})
_TEXTS = ("content", "thinking", "response")


def _parse_chat(family: Family, document: JsonObject, model: str) -> LlmRequest:
    messages = fields.objects(document, "messages", _MESSAGE_KEYS, required=True)
    roles = [fields.text(message, "role") for message in messages]
    tools, provider_tools = _tools(document)
    return LlmRequest(
        family,
        fields.model_name(document, model),
        stream=_streams(document),
        output_limit=_output_limit(document),
        input_tokens=sum(map(_tokens, messages))
        + estimate.tokens(document.get("tools"), document.get("format")),
        tools=tools,
        provider_tools=provider_tools,
        user_message=roles[-1] == "user",
        wants_usage=True,  # these streams always tell it
        document=document,
    )


def _parse_generate(family: Family, document: JsonObject, model: str) -> LlmRequest:
    names = ("prompt", "suffix", "system", "template", "context", "format", "images")
    return LlmRequest(
        family,
        fields.model_name(document, model),
        stream=_streams(document),
        output_limit=_output_limit(document),
        input_tokens=_tokens({name: document.get(name) for name in names}),
        user_message=bool(document.get("prompt")),
        wants_usage=True,
        document=document,
    )


def _parse_embed(family: Family, document: JsonObject, model: str) -> LlmRequest:
    given = document.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Malformed("'input' must be a text or a list of texts")
    return LlmRequest(
        family,
        fields.model_name(document, model),
        output_limit=0,
        input_tokens=estimate.tokens(*texts),
        document=document,
    )


def _streams(document: JsonObject) -> bool:
    return document.get("stream") is None or fields.flag(document, "stream")


def _tokens(holder: JsonObject) -> int:
    """Of what a message or a request holds: pictures by their number, the rest by its size."""
    images = holder.get("images")
    if images is not None and not isinstance(images, list):
        raise Malformed("'images' must be a list")
    rest: JsonValue = {name: value for name, value in holder.items() if name != "images"}
    return estimate.tokens(rest) + estimate.PICTURE * len(images or [])


def _options(document: JsonObject) -> JsonObject:
    return fields.member(document, "options", _OPTION_KEYS) or {}


def _output_limit(document: JsonObject) -> int | None:
    """Ollama takes what is not positive for no limit."""
    limit = fields.count(_options(document), _LIMIT, least=-2)
    return limit if limit is not None and limit > 0 else None


def _tools(document: JsonObject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: list[str] = []
    provider_tools: list[str] = []
    for tool in fields.objects(document, "tools", _TOOL_KEYS):
        kind = fields.text(tool, "type")
        if kind == "function":
            definition = fields.member(tool, "function", _NAME_KEYS) or {}
            names.append(fields.text(definition, "name"))
        else:
            provider_tools.append(kind)
    return fields.unique(names), fields.unique(provider_tools)


def _limit(document: JsonObject, tokens: int) -> None:
    own = _output_limit(document)
    least = max(1, tokens if own is None else min(own, tokens))
    document["options"] = {**_options(document), _LIMIT: least}


def _stream(document: JsonObject, stream: bool) -> None:
    if not stream:
        document["stream"] = False


def _usage(document: JsonObject) -> TokenUsage | None:
    """None where one of the counts is missing: older servers leave the input out when they had
    it in their cache."""
    spent = fields.number(document, "prompt_eval_count")
    written = fields.number(document, "eval_count")
    return None if spent is None or written is None else TokenUsage(spent, written)


def _read(document: JsonObject, tally: Tally) -> None:
    """Notes what a whole answer, or one line of a streamed one, tells."""
    tally.model = fields.string(document, "model") or tally.model
    tally.usage = _usage(document)
    tally.complete = document.get("done") is True
    message = fields.child(document, "message") or document
    tally.text += sum(fields.size(message.get(name)) for name in _TEXTS)
    for asked in fields.children(message, "tool_calls"):
        call = fields.child(asked, "function")
        tally.tools += (fields.string(call, "name"),)
        tally.text += fields.size(call.get("name")) + estimate.written(call.get("arguments"))


def _read_embed(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.complete = isinstance(document.get("embeddings"), list)
    spent = fields.number(document, "prompt_eval_count")
    tally.usage = None if spent is None else TokenUsage(spent, 0)


class _Reader(Reader):
    def __init__(self, request: LlmRequest) -> None:
        pass

    def read(self, event: Event, tally: Tally) -> bytes:
        if document := fields.loads(event.data) if event.data else {}:
            _read(document, tally)
        return event.raw


def _frames(request: LlmRequest, answer: JsonObject) -> list[Event]:
    """What was written in one line, the totals in the last, which has no text of its own."""
    if answer.get("done") is not True:
        raise Malformed("the answer is not one of Ollama's")
    first: JsonObject = {name: answer[name] for name in ("model", "created_at") if name in answer}
    last = dict(answer)
    if message := fields.child(answer, "message"):
        first["message"] = message
        last["message"] = {"role": message.get("role", "assistant"), "content": ""}
    else:
        first |= {name: answer[name] for name in ("response", "thinking") if name in answer}
        last["response"] = ""
        last.pop("thinking", None)
    return [Event(data=dumps(line).decode()) for line in ({**first, "done": False}, last)]


CHAT_WIRE = Wire(
    _KEYS,
    _parse_chat,
    _read,
    limit=_limit,
    stream=_stream,
    reader=_Reader,
    frames=_frames,
    framing=NDJSON,
)
GENERATE_WIRE = replace(CHAT_WIRE, parse=_parse_generate)
EMBED_WIRE = Wire(_KEYS, _parse_embed, _read_embed)
