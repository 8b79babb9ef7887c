"""Gemini embeddings, of one content and of many."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import fields
from amaze_proxy.protocols.llm.gemini import check_model, content_tokens
from amaze_proxy.protocols.llm.gemini_fields import Members, children
from amaze_proxy.protocols.llm.records import LlmRequest, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonObject

_ONE = Members("model", "content")
_MANY = Members("model", "requests")


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    tokens = _tokens(document, model)
    return LlmRequest(family, model, output_limit=0, input_tokens=tokens, document=document)


def _parse_batch(family: Family, document: JsonObject, model: str) -> LlmRequest:
    members = _MANY.read(document)
    check_model(members, model)
    requests = children(members, "requests")
    if not requests:
        raise Malformed("'requests' must be a list that is not empty")
    tokens = sum(_tokens(request, model) for request in requests)
    return LlmRequest(family, model, output_limit=0, input_tokens=tokens, document=document)


def _tokens(document: JsonObject, model: str) -> int:
    """Of one content, which must be for the model of the URL."""
    members = _ONE.read(document)
    check_model(members, model)
    return content_tokens(members.get("content"))


def _read(document: JsonObject, tally: Tally) -> None:
    tally.complete = "embedding" in document or "embeddings" in document
    spent = fields.number(fields.child(document, "usageMetadata"), "promptTokenCount")
    tally.usage = None if spent is None else TokenUsage(spent, 0)


WIRE = Wire(frozenset(), _parse, _read)
BATCH_WIRE = Wire(frozenset(), _parse_batch, _read)
