"""Lists of models: nothing is sent, nothing is spent."""

from __future__ import annotations

from amaze_proxy.protocols.llm.records import LlmRequest, Tally, TokenUsage, Wire
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonObject


def _parse(family: Family, document: JsonObject, model: str) -> LlmRequest:
    return LlmRequest(family, "", output_limit=0)


def _read(document: JsonObject, tally: Tally) -> None:
    tally.complete = True
    tally.usage = TokenUsage(0, 0)


WIRE = Wire(frozenset(), _parse, _read, method="GET")
