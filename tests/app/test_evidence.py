"""A call as the detail of a trace shows it."""

from __future__ import annotations

from amaze_app.evidence import BODY_FIRST, Body, LimitRow, evidence
from amaze_app.gateway.traces import AuditRecord, Limit


def record(**more: object) -> AuditRecord:
    return AuditRecord("d1", 1000, "web", "mcp", **more)  # type: ignore[arg-type]


def test_a_refusal_names_its_rule_and_what_to_do() -> None:
    found = evidence(
        record(denied=True, denial_reason="tool-not-allowed", policy_version=4), (), whole=False
    )
    assert (found.verdict, found.reason, found.version) == (
        "denied",
        "tool-not-allowed",
        "version 4",
    )
    assert found.rule == "allowed_tools does not name it"
    assert "amaze policy get web" in found.advice
    assert "`" not in found.advice
    assert "web" in found.version_href


def test_what_was_let_pass_has_no_rule_unless_it_would_be_refused() -> None:
    plain = evidence(record(), (), whole=False)
    assert (plain.rule, plain.advice, plain.version, plain.version_href) == ("", "", "none", "")
    shadow = evidence(record(would_deny="budget_exceeded"), (), whole=False)
    assert (shadow.verdict, shadow.reason) == ("shadow", "budget_exceeded")
    assert "budget of this turn" in shadow.rule


def test_limits_before_and_after() -> None:
    limits = (Limit("tokens", 5000, None, 1280), Limit("cost:1h", 1_000_000, 4200, 1_200_000))
    assert evidence(record(), limits, whole=False).limits == (
        LimitRow("tokens", "–", "1,280", "3,720", "5,000"),
        LimitRow("cost:1h", "$0.0042", "$1.20", "$0", "$1.00"),
    )


def test_a_long_body_is_shown_in_part_until_all_is_asked_for() -> None:
    text = "x" * (BODY_FIRST + 1)
    long = record(input=text, input_size=len(text))
    first = evidence(long, (), whole=False).input
    assert (len(first.text), first.more, first.about) == (BODY_FIRST, True, "32kB")
    assert evidence(long, (), whole=True).input == Body(text, "32kB", False)


def test_what_is_missing_of_a_body_is_said() -> None:
    cut = record(output="é" * 10, output_size=5_000_000, truncated=True)
    found = evidence(cut, (), whole=True)
    assert found.output.about == "5MB, recorded: the first 20 B"
    assert found.input == Body(about="empty")
    assert evidence(record(input_size=7), (), whole=True).input.about == "7 B, not recorded"


def test_facts_are_those_that_there_are() -> None:
    facts = {one.name: one.value for one in evidence(record(tool="t"), (), whole=False).facts}
    assert facts["Tool"] == "t"
    assert "Model" not in facts
    assert "First byte" not in facts
    with_one = evidence(record(ttft_ms=3.0), (), whole=False).facts
    assert ("First byte", "3.0 ms") in [(one.name, one.value) for one in with_one]


def test_a_call_whose_worker_died_is_an_error_of_unknown_latency() -> None:
    found = evidence(record(error="abandoned: the worker died"), (), whole=False)
    facts = {fact.name: fact.value for fact in found.facts}
    assert (found.verdict, found.reason) == ("error", "")
    assert (facts["Error"], facts["Latency"]) == ("abandoned: the worker died", "–")
