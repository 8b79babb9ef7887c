"""Which shape a refusal takes; that each can be read by the SDKs is tested with the shapes."""

from __future__ import annotations

import json

import pytest

from amaze_proxy.pipeline.answer import Context, describe, reason_phrase, shape
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.llm.refusals import error_body, error_headers
from amaze_proxy.protocols.providers import Family
from amaze_proxy.store.admission import LimitState

REFUSED = Refused(Reason.BUDGET_EXCEEDED, "too much", limits=(LimitState("tokens", 10, 4),))
ID = "d" * 32


@pytest.mark.parametrize("family", list(Family))
def test_a_model_call_is_refused_in_the_shape_of_its_family(family: Family) -> None:
    provider = family.partition("-")[0]
    context = Context(ID, "agent-1", 3, provider, family)
    found = shape(REFUSED, context)
    told = describe(REFUSED, context)
    assert found.status == 403
    assert found.body == error_body(family, provider, told)
    assert set(error_headers(family, provider, told)) <= set(found.headers)


def test_the_plain_shape_for_all_others_and_on_request() -> None:
    plain = shape(REFUSED, Context(ID, "agent-1", 3))
    body = json.loads(plain.body)
    assert body == {
        "error": {
            "message": "aMaze: too much: the budget is full again with the next message "
            f"[budget_exceeded, policy version 3, decision {ID}]",
            "type": "amaze_denied",
            "code": "budget_exceeded",
            "policy_version": 3,
            "limits": [{"name": "tokens", "maximum": 10, "used": 4, "left": 6}],
        },
        "reason": "budget_exceeded",
        "decision_id": ID,
    }
    assert dict(plain.headers) == {
        b"content-type": b"application/json",
        b"x-should-retry": b"false",
        b"x-amaze-decision": b"deny",
        b"x-amaze-decision-id": ID.encode(),
        b"x-amaze-reason": b"budget_exceeded",
    }
    forced = shape(REFUSED, Context(ID, "agent-1", 3, "openai", Family.OPENAI_CHAT, plain=True))
    assert forced == plain


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("family", [None, Family.OPENAI_CHAT, Family.ANTHROPIC_MESSAGES])
def test_every_refusal_says_why_and_is_not_tried_again(
    reason: Reason, family: Family | None
) -> None:
    found = shape(Refused(reason, "no"), Context(ID, family=family))
    headers = dict(found.headers)
    assert headers[b"x-amaze-reason"] == reason.value.encode()
    assert headers[b"x-should-retry"] == b"false"
    assert headers[b"x-amaze-decision"] == (
        b"allow" if reason.value.startswith("upstream-") else b"deny"
    )
    body = json.loads(found.body)
    assert (body["reason"], body["decision_id"]) == (reason.value, ID)
    assert f"[{reason.value}, decision {ID}]" in body["error"]["message"]


def test_a_407_challenges_and_says_it_in_the_reason_phrase() -> None:
    refused = Refused(Reason.INVALID_BEARER, "no", status=407)
    found = shape(refused, Context(ID))
    assert dict(found.headers)[b"proxy-authenticate"].startswith(b"Basic realm=")
    assert (
        found.reason_phrase
        == reason_phrase(refused, Context(ID))
        == "Agent credential missing or invalid"
    )
    assert b"proxy-authenticate" not in dict(shape(REFUSED, Context(ID)).headers)
    assert reason_phrase(REFUSED, Context(ID)) == ""
