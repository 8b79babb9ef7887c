from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.sentences import _RULES, sentence
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord


def test_every_reason_has_its_rule_and_what_to_do() -> None:
    assert set(_RULES) == {str(reason) for reason in Reason}


def test_a_refused_tool_in_words() -> None:
    record = AuditRecord(
        *("d", 1, "a", "mcp"),
        target="shop",
        tool="buy",
        denial_reason="tool-not-allowed",
        policy_version=3,
    )
    assert sentence(record) == (
        "a was refused the tool shop/buy: allowed_tools does not name it [tool-not-allowed, "
        "policy version 3]. What to do: add it if it is meant to: `amaze policy get a`, "
        "then `amaze policy put a FILE`."
    )


@pytest.mark.parametrize("reason", [*Reason, "of-another-version"])
@pytest.mark.parametrize("kind", ["llm", "mcp", "a2a", "http", "unknown"])
def test_each_says_who_what_rule_and_what_to_do(reason, kind) -> None:
    said = sentence(AuditRecord("d", 1, "web-1", kind, target="t", denial_reason=reason))
    assert said.startswith("web-1 was refused the ")
    assert " t: " in said
    assert f"[{reason}]. What to do: " in said


@given(st.text(), st.text(), st.text())
def test_it_is_one_short_line_whatever_a_caller_chose(tool, model, target) -> None:
    record = AuditRecord("d", 1, "a", "mcp", tool=tool, model=model, target=target)
    said = sentence(record)
    assert said.isprintable()
    assert len(said) < 600
