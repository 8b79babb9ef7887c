"""The shape of a refusal: what the caller's client can read (design §8)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.llm.refusals import Refusal, error_body, error_headers
from amaze_proxy.protocols.providers import Family
from amaze_proxy.protocols.strictjson import JsonValue
from amaze_proxy.wire.ingress import Answer

Headers = tuple[tuple[bytes, bytes], ...]
CHALLENGE: Headers = ((b"proxy-authenticate", b'Basic realm="aMaze agent credential"'),)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the call that is refused; empty where it is not known."""

    decision_id: str
    agent_id: str = ""
    policy_version: int = 0
    provider: str = ""
    family: Family | None = None
    plain: bool = False  # AMAZE_DENY_STYLE=http


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
    if context.family is None or context.plain:
        body = _plain(refusal)
        extra: Headers = ((b"x-should-retry", b"false"),)
    else:
        body = error_body(context.family, context.provider, refusal)
        extra = error_headers(context.family, context.provider, refusal)
    headers = (
        (b"content-type", b"application/json"),
        *extra,
        *decision_headers("deny" if refused.denied else "allow", context.decision_id),
        (b"x-amaze-reason", refusal.reason.encode()),
        *(CHALLENGE if refused.http_status == 407 else ()),
    )
    return Answer(refused.http_status, reason_phrase(refused), headers, body)


def decision_headers(effect: str, decision_id: str) -> Headers:
    """What every answer of ours carries, so that a client can name the decision."""
    return (
        (b"x-amaze-decision", effect.encode()),
        (b"x-amaze-decision-id", decision_id.encode()),
    )


def reason_phrase(refused: Refused) -> str:
    """The one text that most clients show of a refused CONNECT."""
    if refused.reason is Reason.INVALID_BEARER:
        return "Agent credential missing or invalid"
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
