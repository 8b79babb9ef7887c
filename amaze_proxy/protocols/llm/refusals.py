"""A refusal in the words of the provider, so that the caller's SDK can read it.

The body is a valid error of that provider and still has `reason` and `decision_id` at its top;
what the SDKs show of it is their `error` object, which has them too.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import assert_never

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.refusal import Refusal
from amaze_proxy.protocols.strictjson import JsonObject, dumps

TYPE = "amaze_denied"
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")


class _Dialect(Enum):
    OPENAI = auto()
    ANTHROPIC = auto()
    GOOGLE = auto()
    MISTRAL = auto()
    OLLAMA = auto()
    UNIVERSAL = auto()


# By the first word of a wire family, and by provider.
_DIALECTS = {
    "anthropic": _Dialect.ANTHROPIC,
    "gemini": _Dialect.GOOGLE,
    "google": _Dialect.GOOGLE,
    "mistral": _Dialect.MISTRAL,
    "ollama": _Dialect.OLLAMA,
} | dict.fromkeys(
    ("openai", "compatible", "azure", "groq", "deepseek", "together", "openrouter", "xai"),
    _Dialect.OPENAI,
)
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
# google.rpc.Code and its HTTP mapping; the rest are PERMISSION_DENIED.
_GOOGLE_CODES = {
    "malformed-request": (400, "INVALID_ARGUMENT"),
    "authority-mismatch": (400, "INVALID_ARGUMENT"),
    "request-too-large": (413, "INVALID_ARGUMENT"),
    "edge_loop_exceeded": (429, "RESOURCE_EXHAUSTED"),
    "upstream-timeout": (504, "DEADLINE_EXCEEDED"),
    "upstream-unreachable": (502, "UNAVAILABLE"),
    "redis-unavailable": (503, "UNAVAILABLE"),
}


def error_body(family: Family | None, provider: str | None, refusal: Refusal) -> bytes:
    """The JSON body of the refusal; for a provider whose errors we do not speak, one that all
    the SDKs can read."""
    return dumps({**_error(_dialect(family, provider), refusal), **_own(refusal)})


def _dialect(family: Family | None, provider: str | None) -> _Dialect:
    """Whose errors to write: those of the wire family, else of the provider."""
    name = provider or "" if family is None else family.partition("-")[0]
    return _DIALECTS.get(name, _Dialect.UNIVERSAL)


def _own(refusal: Refusal) -> JsonObject:
    return {"reason": refusal.reason, "decision_id": refusal.decision_id}


def _error(dialect: _Dialect, refusal: Refusal) -> JsonObject:
    match dialect:
        case _Dialect.OPENAI:
            return {"error": _openai_error(refusal)}
        case _Dialect.ANTHROPIC:
            return _anthropic_error(refusal)
        case _Dialect.GOOGLE:
            return {"error": _google_error(refusal)}
        case _Dialect.MISTRAL:
            # Its own, and what the OpenAI SDK looks for, which is used with it as often.
            openai = _openai_error(refusal)
            return {"object": "error", **openai, "error": openai}
        case _Dialect.OLLAMA:
            return {"error": refusal.message, "details": dict(refusal.details)}
        case _Dialect.UNIVERSAL:
            return _universal_error(refusal)
    assert_never(dialect)


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


def _google_error(refusal: Refusal) -> JsonObject:
    code, status = _GOOGLE_CODES.get(refusal.reason, (403, "PERMISSION_DENIED"))
    told = {**refusal.details, **_own(refusal)}
    info: JsonObject = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": _UNSAFE.sub("", refusal.reason).upper().replace("-", "_"),
        "domain": "amaze",
        # A map of strings (google/rpc/error_details.proto).
        "metadata": {k: v if isinstance(v, str) else dumps(v).decode() for k, v in told.items()},
    }
    return {"code": code, "status": status, "message": refusal.message, "details": [info]}


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
        case _Dialect.ANTHROPIC:
            return ((b"request-id", request_id), never)
        case _Dialect.UNIVERSAL:
            return (
                (b"x-request-id", request_id),
                (b"request-id", request_id),
                (b"x-amzn-errortype", b"AccessDeniedException"),
                never,
            )
        case _:
            return ((b"x-request-id", request_id), never)


def stream_error(family: Family | None, refusal: Refusal, *, begun: bool = True) -> bytes:
    """The error inside a stream that has begun: the SDK raises it. Close the stream after it.

    `begun`: whether anything of the stream has been sent; an array is opened if not.
    """
    dialect = _dialect(family, None)
    body: JsonObject = {**_error(dialect, refusal), **_own(refusal)}
    if dialect is _Dialect.OLLAMA:
        return dumps(body) + b"\n"
    if family is Family.GEMINI_STREAM_ARRAY:
        return (b",\n" if begun else b"[") + dumps(body) + b"\n]"
    event = ""
    if family is Family.OPENAI_RESPONSES:
        # The spec's own `error` event is handed to the application; with `error` in it, it is
        # raised by the SDK.
        event = "error"
        told: JsonObject = {"message": refusal.message, "code": refusal.reason, "param": None}
        body = {"type": "error", "sequence_number": 0, **told, **body}
    elif dialect is _Dialect.ANTHROPIC:
        event = "error"
    return sse.format(sse.Event(event=event, data=dumps(body).decode()))
