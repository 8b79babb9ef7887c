"""OpenAI embeddings."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import estimate, fields
from amaze_proxy.protocols.llm.records import LlmRequest, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

_KEYS = frozenset({"model", "input"})


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    return LlmRequest(
        family,
        fields.model_name(document, model),
        output_limit=0,
        input_tokens=_tokens(document.get("input")),
        document=document,
    )


def _tokens(given: JsonValue) -> int:
    """Texts are estimated; an integer is a token."""
    if isinstance(given, str) and given:
        return estimate.tokens(given)
    if not isinstance(given, list) or not given:
        raise Malformed("'input' must be a text, tokens, or a list of these")
    if all(type(item) is int for item in given):
        return len(given)
    return sum(map(_element, given))


def _element(item: JsonValue) -> int:
    if isinstance(item, str):
        return estimate.tokens(item)
    if isinstance(item, list) and all(type(token) is int for token in item):
        return len(item)
    raise Malformed("'input' must be a text, tokens, or a list of these")


def _read(document: JsonObject, tally: Tally) -> None:
    tally.model = fields.string(document, "model")
    tally.complete = isinstance(document.get("data"), list)
    spent = fields.number(fields.child(document, "usage"), "prompt_tokens")
    tally.usage = None if spent is None else TokenUsage(spent, 0)


WIRE = Wire(_KEYS, _parse, _read)
