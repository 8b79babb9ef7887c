"""The shape of a refusal: what the caller's client can read (design §8)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from amaze_proxy.pipeline.handling import as_event
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols import a2a, mcp
from amaze_proxy.protocols.a2a import A2aRequest
from amaze_proxy.protocols.llm.refusals import error_body, error_headers, stream_error
from amaze_proxy.protocols.mcp import McpRequest
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.refusal import Refusal
from amaze_proxy.protocols.strictjson import JsonValue
from amaze_proxy.wire.ingress import Answer

Headers = tuple[tuple[bytes, bytes], ...]
_NEVER: Headers = ((b"x-should-retry", b"false"),)
CHALLENGE: Headers = ((b"proxy-authenticate", b'Basic realm="aMaze agent credential"'),)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the call that is refused; empty where it is not known.

    `provider` of a registered host is its dialect; `spoken` is the request in the caller's
    protocol, `streams` whether its client takes events.
    """

    decision_id: str
    agent_id: str = ""
    policy_version: int = 0
    provider: str = ""
    family: Family | None = None
    plain: bool = False  # AMAZE_DENY_STYLE=http
    spoken: McpRequest | A2aRequest | None = None
    streams: bool = False


def describe(refused: Refused, context: Context) -> Refusal:
    """The refusal in the words and details that every shape carries."""
    details: dict[str, JsonValue] = {"policy_version": context.policy_version}
    if refused.limits:
        details["limits"] = [
            {"name": x.name, "maximum": x.maximum, "used": x.used, "left": x.left}
            for x in refused.limits
        ]
    version = f", policy version {context.policy_version}" if context.policy_version else ""
    return Refusal(
        reason=refused.reason.value,
        message=f"aMaze: {refused.words(context.agent_id)} "
        f"[{refused.reason.value}{version}, decision {context.decision_id}]",
        decision_id=context.decision_id,
        details=details,
    )


def shape(refused: Refused, context: Context) -> Answer:
    """The whole HTTP answer."""
    refusal = describe(refused, context)
    status, extra, body = _shaped(refused, refusal, context)
    headers = (
        *((b"content-type", b"application/json") for _ in range(bool(body))),
        *extra,
        *decision_headers("deny" if refused.denied else "allow", context.decision_id),
        (b"x-amaze-reason", refusal.reason.encode()),
        *(CHALLENGE if status == 407 else ()),
    )
    return Answer(status, reason_phrase(refused, context), headers, body)


def in_stream(refused: Refused, context: Context, *, begun: bool = True) -> bytes:
    """The refusal inside a stream whose head, and if `begun` some of its body, was sent."""
    refusal = describe(refused, context)
    match context.spoken:
        case McpRequest() as request:
            return as_event(body) if (body := mcp.refusal_body(request, refusal)) else b""
        case A2aRequest() as request:
            return a2a.stream_refusal(request, refusal)
        case _:
            return stream_error(context.family, refusal, begun=begun)


def _shaped(refused: Refused, refusal: Refusal, context: Context) -> tuple[int, Headers, bytes]:
    """Status, headers and body in the caller's protocol."""
    status = refused.http_status
    if context.plain:
        return status, _NEVER, _plain(refusal)
    match context.spoken:
        case McpRequest() as request if context.streams:
            body = mcp.refusal_body(request, refusal, refused.fault)
            if body:
                # Any other status than 200 ends the session of most clients.
                return (refused.fault.status if refused.fault else 200), _NEVER, body
            if refused.reason is not Reason.MALFORMED_REQUEST:
                return 202, _NEVER, b""
        case A2aRequest() as request:
            status, extra, body = a2a.refusal(request, refusal, status)
            return status, (*extra, *_NEVER), body
    if context.family is None and not context.provider:
        return status, _NEVER, _plain(refusal)
    body = error_body(context.family, context.provider, refusal)
    return status, error_headers(context.family, context.provider, refusal), body


def decision_headers(effect: str, decision_id: str) -> Headers:
    """What every answer of ours carries, so that a client can name the decision."""
    return (
        (b"x-amaze-decision", effect.encode()),
        (b"x-amaze-decision-id", decision_id.encode()),
    )


def reason_phrase(refused: Refused, context: Context) -> str:
    """The one text that some clients show: of a refused CONNECT, of A2A's REST and cards."""
    if refused.reason is Reason.INVALID_BEARER:
        return "Agent credential missing or invalid"
    spoken = context.spoken
    if isinstance(spoken, A2aRequest) and spoken.binding is not a2a.Binding.JSONRPC:
        return f"Refused by aMaze: {refused.reason.value}"
    return ""


def _plain(refusal: Refusal) -> bytes:
    body = {
        "error": {
            "message": refusal.message,
            "type": "amaze_denied",
            "code": refusal.reason,
            **refusal.details,
        },
        "reason": refusal.reason,
        "decision_id": refusal.decision_id,
    }
    return json.dumps(body).encode()
