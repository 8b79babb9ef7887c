"""Anthropic messages, and the counting of their tokens."""

from __future__ import annotations

import re
from dataclasses import replace

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields, reach
from amaze_proxy.protocols.llm.anthropic_frames import frames
from amaze_proxy.protocols.llm.records import LlmRequest, Reader, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject

_KEYS = frozenset(
    {
        "model",
        "messages",
        "system",
        "stream",
        "max_tokens",
        "tools",
        "fallbacks",
        "container",
        *reach.KEYS,
    }
)
_MESSAGE_KEYS = frozenset({"role", "content"})
_BLOCK_KEYS = frozenset({"type", "tool", "tool_changes"})
_CHANGE_KEYS = frozenset({"type", "definition"})
_TOOL_KEYS = frozenset({"type", "name"})
_CONTAINER_KEYS = frozenset({"skills"})

# Types that the caller runs, without the date of their version; every other runs at Anthropic's.
_CALLER_RUNS = frozenset(
    ["bash", "text_editor", "computer", "memory", "computer_toolset", "browser_toolset"]
)
_VERSION = re.compile(r"_\d{8}")


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    if document.get("fallbacks") is not None:
        # The answer could come from a model that the policy was not asked about.
        raise Malformed("'fallbacks' is not supported: ask for one model per request")
    messages = fields.objects(document, "messages", _MESSAGE_KEYS, required=True)
    blocks = [_blocks(message) for message in messages]
    limit = fields.count(document, "max_tokens")
    if limit is None:
        raise Malformed("'max_tokens' is missing")
    name = fields.model_name(document, model)
    tools, provider_tools = _tools(document, blocks, name)
    return LlmRequest(
        family,
        name,
        stream=fields.flag(document, "stream"),
        output_limit=limit,
        input_tokens=estimate.tokens(
            document["messages"], document.get("system"), document.get("tools")
        ),
        tools=tools,
        provider_tools=provider_tools,
        user_message=fields.text(messages[-1], "role") == "user"
        and not any(block.get("type") == "tool_result" for block in blocks[-1]),
        wants_usage=True,  # these streams always tell it
        document=document,
    )


def _parse_count(family: Family, document: JsonObject, model: str) -> LlmRequest:
    """Counting is not charged; what it names is decided on all the same."""
    counted = _parse(family, {**document, "max_tokens": 0}, model)
    return replace(counted, stream=False, input_tokens=0, document=document)


def _blocks(message: JsonObject) -> list[JsonObject]:
    """The content blocks of a message; text alone is none."""
    fields.text(message, "role")
    if isinstance(message.get("content"), str):
        return []
    if message.get("content") is None:
        raise Malformed("a message has no 'content'")
    return fields.objects(message, "content", _BLOCK_KEYS)


def _tools(
    document: JsonObject, blocks: list[list[JsonObject]], model: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: list[str] = []
    provider_tools: list[str] = []
    tools = fields.objects(document, "tools", _TOOL_KEYS)
    for content in blocks:
        for block in content:
            tools += _added_tools(block)
    for tool in tools:
        kind = "custom" if tool.get("type") is None else fields.text(tool, "type")
        if kind == "custom":
            names.append(fields.text(tool, "name"))
        elif _VERSION.sub("", kind) in _CALLER_RUNS:
            names.append(fields.string(tool, "name") or kind)
        else:
            provider_tools.append(kind)
    provider_tools += reach.tools(document, model)
    if isinstance(document.get("container"), dict):
        container = fields.member(document, "container", _CONTAINER_KEYS) or {}
        provider_tools += ["skills"] if container.get("skills") else []
    return fields.unique(names), fields.unique(provider_tools)


def _added_tools(block: JsonObject) -> list[JsonObject]:
    """Tools that a content block defines in the middle of a conversation."""
    kind = block.get("type")
    if not isinstance(kind, str):
        raise Malformed("a content block has no 'type'")
    changes: list[JsonObject] = []
    if kind == "tool_addition":
        changes = [block]
    elif kind == "compaction":
        changes = fields.objects(block, "tool_changes", _BLOCK_KEYS)
    added: list[JsonObject] = []
    for change in changes:
        tool = fields.member(change, "tool", _CHANGE_KEYS) or {}
        definition = fields.member(tool, "definition", _TOOL_KEYS)
        added += [definition] if definition is not None else []
    return added


def _limit(document: JsonObject, tokens: int) -> None:
    document["max_tokens"] = max(1, min(fields.count(document, "max_tokens") or 1, tokens))


def _stream(document: JsonObject, stream: bool) -> None:
    document["stream"] = stream


def _usage(usage: JsonObject) -> TokenUsage | None:
    """Anthropic counts cached input beside the rest; ours is all of it."""
    fresh = fields.number(usage, "input_tokens")
    if fresh is None:
        return None
    read = fields.number(usage, "cache_read_input_tokens") or 0
    written = fields.number(usage, "cache_creation_input_tokens") or 0
    created = fields.child(usage, "cache_creation")
    searches = fields.child(usage, "server_tool_use")
    tier = fields.string(usage, "speed")
    return TokenUsage(
        fresh + read + written,
        fields.number(usage, "output_tokens") or 0,
        read,
        written,
        fields.classes(
            [
                ("cache_write_1h_tokens", fields.number(created, "ephemeral_1h_input_tokens")),
                ("web_searches", fields.number(searches, "web_search_requests")),
            ]
        ),
        tier if tier != "standard" else "",
    )


def _note_block(block: JsonObject, tally: Tally) -> None:
    if fields.string(block, "type").endswith("tool_use"):
        tally.tools += (fields.string(block, "name"),)
        tally.text += fields.size(block.get("name"))


def _read(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.usage = _usage(fields.child(document, "usage"))
    tally.complete = isinstance(document.get("content"), list)
    for block in fields.children(document, "content"):
        _note_block(block, tally)
        tally.text += fields.size(block.get("text")) + fields.size(block.get("thinking"))
        if given := fields.child(block, "input"):
            tally.text += estimate.written(given)


def _read_count(document: JsonObject, tally: Tally) -> None:
    tally.complete = fields.number(document, "input_tokens") is not None
    tally.usage = TokenUsage(0, 0)


class _Reader(Reader):
    """The input side comes first; `message_delta` then tells running totals: the last one holds."""

    def __init__(self, request: LlmRequest) -> None:
        self._told: JsonObject = {}

    def read(self, event: Event, tally: Tally) -> bytes:
        document = fields.loads(event.data) if event.data else {}
        match document.get("type"):
            case "content_block_delta":
                delta = fields.child(document, "delta")
                for name in ("text", "partial_json", "thinking"):
                    tally.text += fields.size(delta.get(name))
            case "content_block_start":
                _note_block(fields.child(document, "content_block"), tally)
            case "message_start":
                message = fields.child(document, "message")
                tally.model = fields.string(message, "model")
                self._told = fields.child(message, "usage")
                begun = _usage(self._told)
                tally.begun = replace(begun, output=0) if begun else None
            case "message_delta":
                usage = fields.child(document, "usage")
                told = {name: value for name, value in usage.items() if value is not None}
                self._told = {**self._told, **told}
                if "output_tokens" in told:
                    tally.usage = _usage(self._told)
            case "message_stop":
                tally.complete = True
        return event.raw


WIRE = Wire(_KEYS, _parse, _read, limit=_limit, stream=_stream, reader=_Reader, frames=frames)
COUNT_WIRE = Wire(_KEYS, _parse_count, _read_count)
