"""A refusal as the clients of each binding read it.

JSON-RPC: HTTP 200, since the Python SDKs show the message of an error object, and of an HTTP error
its status alone. REST: a google.rpc.Status with our HTTP status; SDK 1.x shows its message if the
first detail has a reason that it knows, and that of 0.3 if `type` names an error of it.
"""

from __future__ import annotations

from types import MappingProxyType

from amaze_proxy.protocols import jsonrpc, sse
from amaze_proxy.protocols.a2a.request import A2aRequest, Binding
from amaze_proxy.protocols.refusal import Refusal
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

CODE = -32050
"""Of JSON-RPC; A2A's own end at -32009, and what is below -32099 is not A2A's."""

Headers = tuple[tuple[bytes, bytes], ...]
_JSON: Headers = ((b"content-type", b"application/json"),)
_EVENTS: Headers = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"))

_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_A2A_DOMAIN = "a2a-protocol.org"
_OUR_DOMAIN = "amaze"

# google/rpc/code.proto
_STATUS_NAMES = MappingProxyType(
    {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        407: "UNAUTHENTICATED",
        413: "INVALID_ARGUMENT",
        429: "RESOURCE_EXHAUSTED",
        502: "UNAVAILABLE",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
)


def refusal(request: A2aRequest, refusal: Refusal, status: int) -> tuple[int, Headers, bytes]:
    """The answer in place of the agent's: HTTP status, headers, body. `status` is our own."""
    if request.binding is not Binding.JSONRPC:
        return status, _JSON, dumps(_status(refusal, status))
    if request.stream:
        # the SDKs before 1.0 read nothing but an event stream here
        return 200, _EVENTS, stream_refusal(request, refusal)
    return 200, _JSON, dumps(_error(request, refusal))


def stream_refusal(request: A2aRequest, refusal: Refusal) -> bytes:
    """The error inside a stream that has begun. Close the stream after it."""
    if request.binding is Binding.JSONRPC:
        return sse.format(sse.Event(data=dumps(_error(request, refusal)).decode()))
    return sse.format(sse.Event(event="error", data=dumps(_status(refusal, 403)).decode()))


def _error(request: A2aRequest, refusal: Refusal) -> JsonObject:
    return jsonrpc.error(request.id, CODE, refusal.message, [_ours(refusal)])


def _status(refusal: Refusal, status: int) -> JsonObject:
    known = _info("UNSUPPORTED_OPERATION", _A2A_DOMAIN, refusal)
    return {
        "error": {
            "code": status,
            "status": _STATUS_NAMES.get(status, "UNKNOWN"),
            "message": refusal.message,
            "details": [known, _ours(refusal)],
        },
        "type": "UnsupportedOperationError",
        "message": refusal.message,
        "reason": refusal.reason,
        "decision_id": refusal.decision_id,
    }


def _ours(refusal: Refusal) -> JsonObject:
    """google.rpc.ErrorInfo wants its reason in upper case with underscores."""
    return _info(refusal.reason.upper().replace("-", "_"), _OUR_DOMAIN, refusal)


def _info(reason: str, domain: str, refusal: Refusal) -> JsonObject:
    metadata: JsonObject = {name: _text(value) for name, value in refusal.details.items()}
    metadata |= {"reason": refusal.reason, "decisionId": refusal.decision_id}
    return {"@type": _ERROR_INFO, "reason": reason, "domain": domain, "metadata": metadata}


def _text(value: JsonValue) -> str:
    """ErrorInfo's metadata are texts."""
    return value if isinstance(value, str) else dumps(value).decode()
