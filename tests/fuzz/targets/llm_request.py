"""A request means to us what it means to a reader of plain JSON; what we prepare reads the same."""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.llm import WIRES, LlmRequest, parse_request, prepare
from amaze_proxy.protocols.providers import Family
from tests.fuzz.pieces import alike, choose, plain_json

_FAMILIES = tuple(family.value for family, wire in WIRES.items() if wire.method == "POST")
_LIMIT = 4000


def check(data: bytes) -> None:
    name, body = choose(data, _FAMILIES)
    for model in ("", "of-the-url"):
        try:
            request = parse_request(Family(name), body, model=model)
        except Malformed:
            continue
        document = plain_json(body)
        _check_request(request, document, model)
        _check_prepared(request, model)
        _check_prepared(request, model, stream=False)
        _check_prepared(request, model, limit=_LIMIT)
        assert alike(request.document, document), "prepare changed the request"


def _check_request(request: LlmRequest, document: object, model: str) -> None:
    assert isinstance(document, dict)
    assert alike(request.document, document)
    assert request.model == (model or document.get("model"))
    assert request.input_tokens >= 0
    assert request.output_limit is None or request.output_limit >= 0


def _check_prepared(
    request: LlmRequest, model: str, *, stream: bool | None = None, limit: int | None = None
) -> None:
    body = prepare(request, stream=stream, output_limit=limit)
    if body is None:  # as it came
        return
    again = parse_request(request.family, body, model=model)
    assert again.model == request.model
    assert again.stream == (request.stream if stream is None else stream)
    assert again.tools == request.tools
    assert again.provider_tools == request.provider_tools
    assert again.user_message == request.user_message
    assert again.input_tokens == request.input_tokens
    if limit is not None and again.output_limit is not None:
        assert again.output_limit <= max(limit, 1) or again.output_limit == request.output_limit
