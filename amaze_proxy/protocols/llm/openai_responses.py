"""OpenAI responses: requests, answers and streams."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields, reach
from amaze_proxy.protocols.llm.openai_responses_frames import frames
from amaze_proxy.protocols.llm.records import LlmRequest, Reader, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.sse import Event
from amaze_proxy.protocols.strictjson import JsonObject

_KEYS = frozenset(
    {
        "model",
        "input",
        "instructions",
        "stream",
        "stream_options",
        "max_output_tokens",
        "tools",
        "background",
        "prompt",
        "previous_response_id",
        "conversation",
        *reach.KEYS,
    }
)
_ITEM_KEYS = frozenset({"type", "role", "tools"})
_TOOL_KEYS = frozenset({"type", "name", "execution", "environment", "tools"})
_TYPE_KEYS = frozenset({"type"})

# Tools that the caller runs, and returns the output of; every other type runs at the provider's.
_CALLER_RUNS = frozenset(
    ["function", "custom", "computer", "computer_use_preview", "local_shell", "apply_patch"]
)
# Items of the input that define tools.
_DEFINING_ITEMS = frozenset({"additional_tools", "tool_search_output"})
_TERMINATORS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    if fields.flag(document, "background"):
        # Its usage is only in an answer that is fetched later, by a call that is not metered.
        raise Malformed("'background' responses cannot be metered, and are not supported")
    given = document.get("input")
    if given is None and document.get("prompt") is None:
        raise Malformed("'input' is missing")
    items = [] if given is None or isinstance(given, str) else _items(document)
    name = fields.model_name(document, model)
    tools, provider_tools = _tools(document, items, name)
    return LlmRequest(
        family,
        name,
        stream=fields.flag(document, "stream"),
        output_limit=fields.count(document, "max_output_tokens", least=1),
        input_tokens=estimate.tokens(
            given,
            document.get("instructions"),
            document.get("tools"),
            document.get("text"),
            document.get("prompt"),
        ),
        tools=tools,
        provider_tools=provider_tools,
        user_message=isinstance(given, str) or (bool(items) and _is_user_message(items[-1])),
        wants_usage=True,  # these streams always tell it
        document=document,
    )


def _items(document: JsonObject) -> list[JsonObject]:
    items = fields.objects(document, "input", _ITEM_KEYS)
    for item in items:
        kind = item.get("type")
        if kind is not None and not isinstance(kind, str):
            raise Malformed("the 'type' of an input item must be a string")
    return items


def _is_user_message(item: JsonObject) -> bool:
    return item.get("type") in (None, "message") and item.get("role") == "user"


class _Offer:
    """The tools of a request, sorted by who runs them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.provider: list[str] = []

    def add(self, holder: JsonObject) -> None:
        """The tools in the member `tools` of the request, of an item or of a namespace."""
        for tool in fields.objects(holder, "tools", _TOOL_KEYS):
            kind = fields.text(tool, "type")
            if kind == "namespace":
                self.add(tool)
            elif kind in _CALLER_RUNS or _runs_at_caller(kind, tool):
                named = kind in ("function", "custom")
                self.names.append(fields.text(tool, "name") if named else kind)
            else:
                self.provider.append(kind)


def _runs_at_caller(kind: str, tool: JsonObject) -> bool:
    """Tools that say themselves where they run."""
    if kind == "shell":
        return (fields.member(tool, "environment", _TYPE_KEYS) or {}).get("type") == "local"
    return kind == "tool_search" and tool.get("execution") == "client"


def _tools(
    document: JsonObject, items: list[JsonObject], model: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    offer = _Offer()
    offer.add(document)
    for item in items:
        if item.get("type") in _DEFINING_ITEMS:
            offer.add(item)
        elif item.get("type") == "mcp_approval_response":
            offer.provider.append("mcp")  # approving makes the provider call it
    if document.get("prompt") is not None:
        offer.provider.append("prompt")  # a stored template, with tools that we cannot see
    offer.provider += reach.tools(document, model)
    return fields.unique(offer.names), fields.unique(offer.provider)


def _limit(document: JsonObject, tokens: int) -> None:
    own = fields.count(document, "max_output_tokens")
    document["max_output_tokens"] = max(1, tokens if own is None else min(own, tokens))


def _stream(document: JsonObject, stream: bool) -> None:
    document["stream"] = stream
    if not stream:
        document.pop("stream_options", None)


def _usage(response: JsonObject) -> TokenUsage | None:
    usage = fields.child(response, "usage")
    spent = fields.number(usage, "input_tokens")
    if spent is None:
        return None
    details = fields.child(usage, "input_tokens_details")
    kinds = [fields.string(item, "type") for item in fields.children(response, "output")]
    return TokenUsage(
        spent,
        fields.number(usage, "output_tokens") or 0,
        fields.number(details, "cached_tokens") or 0,
        fields.number(details, "cache_write_tokens") or 0,
        fields.classes(  # charged by the call, beside the tokens
            [
                ("web_searches", kinds.count("web_search_call")),
                ("storage_searches", kinds.count("file_search_call")),
            ]
        ),
        fields.string(response, "service_tier"),
    )


def _note_item(item: JsonObject, tally: Tally) -> None:
    """The tool that an output item asks for: its name, else its kind."""
    kind = fields.string(item, "type")
    if kind.endswith("_call"):
        tally.tools += (fields.string(item, "name") or kind.removesuffix("_call"),)


def _note_text(item: JsonObject, tally: Tally) -> None:
    """What the model wrote in a whole output item."""
    for name in ("name", "arguments", "input", "code"):
        tally.text += fields.size(item.get(name))
    for part in [*fields.children(item, "content"), *fields.children(item, "summary")]:
        tally.text += fields.size(part.get("text")) + fields.size(part.get("refusal"))


def _read(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.usage = _usage(document)
    tally.complete = isinstance(document.get("output"), list)
    for item in fields.children(document, "output"):
        _note_item(item, tally)
        _note_text(item, tally)


class _Reader(Reader):
    def __init__(self, request: LlmRequest) -> None:
        pass

    def read(self, event: Event, tally: Tally) -> bytes:
        document = fields.loads(event.data) if event.data else {}
        kind = fields.string(document, "type")
        if kind.endswith(".delta") and "audio.delta" not in kind:
            tally.text += fields.size(document.get("delta"))
        elif kind == "response.output_item.added":
            item = fields.child(document, "item")
            _note_item(item, tally)
            tally.text += fields.size(item.get("name"))
        elif response := fields.child(document, "response"):
            tally.model = fields.string(response, "model") or tally.model
            tally.usage = _usage(response) or tally.usage
            tally.complete = tally.complete or kind in _TERMINATORS
        return event.raw


WIRE = Wire(_KEYS, _parse, _read, limit=_limit, stream=_stream, reader=_Reader, frames=frames)
