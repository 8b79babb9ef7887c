"""Gemini's generateContent, whole and streamed, and the counting of its tokens."""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields
from amaze_proxy.protocols.llm.framing import JSON_ARRAY
from amaze_proxy.protocols.llm.gemini_answers import Events, frames, read, read_count
from amaze_proxy.protocols.llm.gemini_fields import Members, child, children, snake
from amaze_proxy.protocols.llm.records import LlmRequest, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

_REQUEST = Members(
    "model",
    "contents",
    "tools",
    "tool_config",
    "system_instruction",
    "generation_config",
    "cached_content",
    "generate_content_request",
)
_CONFIG = Members("max_output_tokens", "candidate_count", "response_schema", "response_json_schema")
_CONTENT = Members("role", "parts")
_PART = Members("text", "inline_data", "file_data", "function_response")
_BLOB = Members("mime_type", "data")
_DECLARATION = Members("name")
_DECLARED = "function_declarations"
_TOOL = Members(_DECLARED)
_MOST_CANDIDATES = 128
_STREAMS = frozenset({Family.GEMINI_STREAM, Family.GEMINI_STREAM_ARRAY})


def check_model(members: JsonObject, model: str) -> str:
    """The model of the URL, which is the one that answers. Raises Malformed if the body names
    another, or if there is none."""
    if not model:
        raise Malformed("the URL names no model")
    named = members.get("model", model)
    if not isinstance(named, str) or named.rpartition("models/")[2] != model:
        raise Malformed("'model' is not the model that the URL names")
    return model


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    members = _REQUEST.read(document)
    config = child(members, "generation_config", _CONFIG)
    contents = children(members, "contents")
    if not contents:
        raise Malformed("'contents' must be a list that is not empty")
    tools, provider_tools = _tools(members)
    instruction = members.get("system_instruction")
    return LlmRequest(
        family,
        check_model(members, model),
        stream=family in _STREAMS,
        output_limit=_output_limit(config),
        input_tokens=sum(map(content_tokens, contents))
        + estimate.tokens(
            instruction,
            members.get("tools"),
            config.get("response_schema"),
            config.get("response_json_schema"),
        ),
        tools=tools,
        provider_tools=provider_tools,
        user_message=_is_user_message(contents[-1]),
        wants_usage=True,  # these streams always tell it
        document=document,
    )


def _parse_count(family: Family, document: JsonObject, model: str) -> LlmRequest:
    """Counting is not charged; what it names is decided on all the same."""
    members = _REQUEST.read(document)
    whole = members.get("generate_content_request")
    if whole is None:
        counted = _parse(family, document, model)
    elif isinstance(whole, dict) and "contents" not in members:
        check_model(members, model)
        counted = _parse(family, whole, model)
    else:
        raise Malformed("'generateContentRequest' must be the whole request, as an object")
    return replace(counted, output_limit=0, input_tokens=0, document=document)


def _choices(config: JsonObject) -> int:
    choices = fields.count(config, "candidate_count", least=1) or 1
    if choices > _MOST_CANDIDATES:
        raise Malformed(f"'candidateCount' must not be more than {_MOST_CANDIDATES}")
    return choices


def _output_limit(config: JsonObject) -> int | None:
    limit = fields.count(config, "max_output_tokens", least=1)
    choices = _choices(config)
    return None if limit is None else limit * choices


def _tools(members: JsonObject) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A tool object holds declarations of functions, which the caller runs, and members that each
    turn on a tool at Google's side; their names are given in snake_case."""
    names: list[str] = []
    provider_tools: list[str] = []
    for tool in children(members, "tools"):
        declared = children(_TOOL.read(tool), _DECLARED)
        names += [fields.text(_DECLARATION.read(one), "name") for one in declared]
        provider_tools += [kind for kind in map(snake, tool) if kind != _DECLARED]
    if "cached_content" in members:
        provider_tools.append("cached_content")  # may hold tools that we cannot see
    return fields.unique(names), fields.unique(provider_tools)


def _is_user_message(content: JsonObject) -> bool:
    members = _CONTENT.read(content)
    parts = map(_PART.read, children(members, "parts"))
    answers = any("function_response" in part for part in parts)
    return members.get("role") in (None, "user") and not answers


def content_tokens(content: JsonValue) -> int:
    """The estimate for one content. Raises Malformed if it is not an object of parts."""
    if not isinstance(content, dict):
        raise Malformed("a content must be an object")
    return 4 + sum(map(_part_tokens, children(_CONTENT.read(content), "parts")))


def _part_tokens(part: JsonObject) -> int:
    members = _PART.read(part)
    if "file_data" in members:
        return estimate.REFERENCE
    if "inline_data" not in members:
        return estimate.tokens(part)
    blob = child(members, "inline_data", _BLOB)
    kind, size = fields.string(blob, "mime_type"), fields.size(blob.get("data"))
    if kind.startswith("image/"):
        return estimate.PICTURE
    return estimate.sound(size) if kind.startswith("audio/") else estimate.file(size)


def _limit(document: JsonObject, tokens: int) -> None:
    """`tokens` over all candidates, at least 1 for each."""
    where = _REQUEST.spelling(document, "generation_config")
    given = document.get(where)
    config = given if isinstance(given, dict) else {}
    name = _CONFIG.spelling(config, "max_output_tokens")
    members = _CONFIG.read(config)
    each = max(1, tokens // _choices(members))
    own = fields.count(members, "max_output_tokens")
    document[where] = {**config, name: each if own is None else min(own, each)}


_KEYS: frozenset[str] = frozenset()  # `Members` looks for variants of both spellings

GENERATE_WIRE = Wire(_KEYS, _parse, read, limit=_limit)
STREAM_WIRE = Wire(_KEYS, _parse, read, limit=_limit, reader=Events, frames=frames)
ARRAY_WIRE = replace(STREAM_WIRE, framing=JSON_ARRAY)
COUNT_WIRE = Wire(_KEYS, _parse_count, read_count)
