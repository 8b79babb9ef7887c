"""Reasons, statuses and words of a refusal."""

from __future__ import annotations

import pytest

from amaze_proxy.pipeline.refusal import STATUS, Refused, from_admission, from_fault
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admitted, LimitState, Outcome
from amaze_proxy.wire.ingress import Fault, FaultKind

# design §8, to the letter: what clients script against
CONTRACT = {
    "invalid-bearer": 403,
    "agent-not-approved": 403,
    "agent-quarantined": 403,
    "policy-not-found": 403,
    "not-allowed": 403,
    "mcp-not-allowed": 403,
    "tool-not-allowed": 403,
    "argument-not-allowed": 403,
    "tool-changed": 403,
    "llm-not-allowed": 403,
    "host-not-allowed": 403,
    "graph_violation": 403,
    "edge_loop_exceeded": 429,
    "budget_exceeded": 403,
    "rate-limit-exceeded": 403,
    "malformed-request": 400,
    "authority-mismatch": 400,
    "request-too-large": 413,
    "invalid-turn": 403,
    "upstream-unreachable": 502,
    "upstream-timeout": 504,
    "redis-unavailable": 503,
    "internal-error": 403,
}


def test_every_reason_has_its_status() -> None:
    assert {reason.value: status for reason, status in STATUS.items()} == CONTRACT
    assert set(STATUS) == set(Reason)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_refusal_has_the_status_of_its_reason_unless_told(reason: Reason) -> None:
    assert Refused(reason, "no").http_status == STATUS[reason]
    assert Refused(reason, "no", status=418).http_status == 418


@pytest.mark.parametrize("reason", list(Reason))
def test_a_target_that_fails_is_no_denial(reason: Reason) -> None:
    assert Refused(reason, "no").denied == (not reason.value.startswith("upstream-"))


@pytest.mark.parametrize("reason", list(Reason))
def test_the_words_say_what_to_do_where_it_is_known(reason: Reason) -> None:
    words = Refused(reason, "no").words("agent-1")
    assert words == "no" or words.startswith("no: ")
    assert "{agent}" not in words
    assert Refused(reason, "no", advice="do this").words("") == "no: do this"


@pytest.mark.parametrize("reason", [Reason.GRAPH_VIOLATION, Reason.EDGE_LOOP_EXCEEDED])
def test_who_leaves_the_graph_is_told_what_to_do(reason: Reason) -> None:
    refused = from_admission(Admitted(Outcome.REFUSED, reason), "a")
    assert "operator" in refused.words("a").removeprefix(refused.message)


def test_the_advice_names_the_agent() -> None:
    refused = Refused(Reason.AGENT_NOT_APPROVED, "no")
    assert "amaze agents approve a1" in refused.words("a1")
    assert "amaze agents approve <agent_id>" in refused.words("")


@pytest.mark.parametrize("reason", list(Reason))
def test_whatever_the_store_refuses_for_is_said(reason: Reason) -> None:
    limits = (LimitState("tokens", 10, 9),)
    answer = Admitted(
        Outcome.REFUSED, reason, limits=limits, failed_limit="tokens", expected="tool 'a'"
    )
    refused = from_admission(answer, "agent-1")
    assert refused.reason is reason
    assert refused.message
    assert refused.limits == limits


def test_a_refusal_without_a_reason_is_an_error_of_ours() -> None:
    assert from_admission(Admitted(Outcome.REFUSED), "a").reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            Admitted(
                Outcome.REFUSED,
                Reason.BUDGET_EXCEEDED,
                limits=(LimitState("tokens", 10, 9),),
                failed_limit="tokens",
            ),
            "the limit 'tokens' does not allow this call: 9 of 10 used or reserved, 1 left, and it "
            "could use more: lower its output limit or its input",
        ),
        (
            Admitted(
                Outcome.REFUSED,
                Reason.RATE_LIMIT_EXCEEDED,
                limits=(LimitState("tokens", 10, 9), LimitState("cost:1h", 5, 7)),
                failed_limit="cost:1h",
                retry_after_ms=1001,
            ),
            "the limit 'cost:1h' does not allow this call: 7 of 5 micro-dollars used or reserved, "
            "0 left; room in about 2 s",
        ),
        (
            Admitted(Outcome.REFUSED, Reason.BUDGET_EXCEEDED, failed_limit="tokens"),
            "the limit 'tokens' does not allow this call",
        ),
        (
            Admitted(Outcome.REFUSED, Reason.GRAPH_VIOLATION, expected="llm openai"),
            "the call is out of order in the execution graph; expected: llm openai",
        ),
    ],
)
def test_the_words_of_limits_and_graphs(answer: Admitted, says: str) -> None:
    assert from_admission(answer, "a").message == says


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_keeps_its_own_status(kind: FaultKind) -> None:
    refused = from_fault(Fault(kind, "detail", kind.status, None, None, "", b""))
    assert refused.http_status == kind.status
    assert refused.message == f"{kind.value}: detail"
    assert refused.denied
