"""A refusal in the words of the provider, so that the caller's SDK can read it.

The body is a valid error of that provider and still has `reason` and `decision_id` at its top;
what the SDKs show of it is their `error` object, which has them too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

TYPE = "amaze_denied"
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")

_OPENAI = "openai"
_ANTHROPIC = "anthropic"
_DIALECTS = (_OPENAI, _ANTHROPIC)
# Anthropic has a closed list of error types; the rest are permission errors.
_ANTHROPIC_TYPES = {
    "invalid-bearer": "authentication_error",
    "malformed-request": "invalid_request_error",
    "authority-mismatch": "invalid_request_error",
    "request-too-large": "request_too_large",
    "edge_loop_exceeded": "rate_limit_error",
    "upstream-timeout": "timeout_error",
    "upstream-unreachable": "api_error",
    "redis-unavailable": "api_error",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused. `details` (limits, what is left, policy version, …) are for
    programs; `message` says it all for people."""

    reason: str
    message: str
    decision_id: str
    details: Mapping[str, JsonValue]


def error_body(family: Family | None, provider: str | None, refusal: Refusal) -> bytes:
    """The JSON body of the refusal; for a provider whose errors we do not speak, one that all
    the SDKs can read."""
    return dumps({**_error(family, provider, refusal), **_own(refusal)})


def _dialect(family: Family | None, provider: str | None) -> str | None:
    """Whose errors to write: those of the wire family, else of the provider."""
    name = provider if family is None else family.partition("-")[0]
    return name if name in _DIALECTS else None


def _own(refusal: Refusal) -> JsonObject:
    return {"reason": refusal.reason, "decision_id": refusal.decision_id}


def _error(family: Family | None, provider: str | None, refusal: Refusal) -> JsonObject:
    match _dialect(family, provider):
        case "openai":
            return {"error": _openai_error(refusal)}
        case "anthropic":
            return _anthropic_error(refusal)
        case _:
            return _universal_error(refusal)


def _openai_error(refusal: Refusal) -> JsonObject:
    return {
        "message": refusal.message,
        "type": TYPE,
        "param": None,
        "code": refusal.reason,
        "decision_id": refusal.decision_id,
        "details": dict(refusal.details),
    }


def _anthropic_error(refusal: Refusal) -> JsonObject:
    return {
        "type": "error",
        "error": {
            "type": _ANTHROPIC_TYPES.get(refusal.reason, "permission_error"),
            "message": refusal.message,
            "details": {**refusal.details, "error_code": refusal.reason, **_own(refusal)},
        },
        "request_id": refusal.decision_id,
    }


def _universal_error(refusal: Refusal) -> JsonObject:
    """OpenAI, Anthropic, Google, Bedrock, Cohere and Mistral clients each find their part."""
    return {
        "type": "error",
        "message": refusal.message,
        "request_id": refusal.decision_id,
        "error": {
            "type": "permission_error",
            "code": refusal.reason,
            "param": None,
            "status": "PERMISSION_DENIED",
            "message": refusal.message,
            "details": [dict(refusal.details)],
        },
    }


def error_headers(
    family: Family | None, provider: str | None, refusal: Refusal
) -> tuple[tuple[bytes, bytes], ...]:
    """What the provider's SDK looks for in the head, besides the content type. `x-should-retry`
    is there because the SDKs retry 429 and 5xx otherwise."""
    request_id = _UNSAFE.sub("", refusal.decision_id).encode()
    never = (b"x-should-retry", b"false")
    match _dialect(family, provider):
        case "openai":
            return ((b"x-request-id", request_id), never)
        case "anthropic":
            return ((b"request-id", request_id), never)
        case _:
            return (
                (b"x-request-id", request_id),
                (b"request-id", request_id),
                (b"x-amzn-errortype", b"AccessDeniedException"),
                never,
            )


def stream_error(family: Family | None, refusal: Refusal) -> bytes:
    """The error inside a stream that has begun: the SDK raises it. Close the stream after it."""
    body: JsonObject = {**_error(family, None, refusal), **_own(refusal)}
    event = ""
    if family is Family.OPENAI_RESPONSES:
        # The spec's own `error` event is handed to the application; with `error` in it, it is
        # raised by the SDK.
        event = "error"
        told: JsonObject = {"message": refusal.message, "code": refusal.reason, "param": None}
        body = {"type": "error", "sequence_number": 0, **told, **body}
    elif _dialect(family, None) == _ANTHROPIC:
        event = "error"
    return sse.format(sse.Event(event=event, data=dumps(body).decode()))
