from datetime import date

import pytest
from pydantic import TypeAdapter, ValidationError

from amaze_proxy.policy.model import PolicyError, load_policy
from amaze_proxy.policy.problems import Problem, found_by


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("allowed_tool: [a]", "unknown key 'allowed_tool': did you mean 'allowed_tools'?"),
        ("zzz: 1", "unknown key 'zzz': known keys are name, max_tokens_per_turn"),
        ("1: a", "unknown key '1'"),
        (
            "token_rate_limits: [{window: 1h, max_token: 5}]",
            "token_rate_limits[0]: unknown key 'max_token': did you mean 'max_tokens'?",
        ),
        ("token_rate_limits: [{window: 1h}]", "token_rate_limits[0].max_tokens: is required"),
        ("token_rate_limits: [1]", "token_rate_limits[0]: must be a mapping, not 1"),
        ("max_tokens_per_turn: ten", "max_tokens_per_turn: must be a whole number, not 'ten'"),
        ("max_tokens_per_turn: -1", "max_tokens_per_turn: must be 0 or more, not -1"),
        ("max_tokens_per_turn: 9999999999999999", "must be at most 1000000000000000"),
        ("max_cost_usd_per_turn: x", "must be an amount in dollars, such as 0.50, not 'x'"),
        ("max_cost_usd_per_turn: 0.0000001", "must have at most 6 decimal places"),
        ("max_cost_usd_per_turn: .inf", "must be a finite number"),
        ("hard_budgets: 1", "hard_budgets: must be true or false, not 1"),
        ("on_violation: blok", "on_violation: must be 'block' or 'allow', not 'blok'"),
        ("allowed_tools: web", "allowed_tools: must be a list, not 'web'"),
        ("allowed_tools:", "allowed_tools: must be a list, not None"),
        ("allowed_tools: [on]", "allowed_tools[0]: must be a text, not True"),
        ("allowed_agents: [A]", "allowed_agents[0]: 'A' is no agent id: 1 to 63 of a-z"),
        ("allowed_callers:", "allowed_callers: has no value: leave the key out"),
        ("tool_rules: [1]", "tool_rules: must be a mapping, not [1]"),
        ("tool_rules: {t: {a: {max_length: x}}}", "tool_rules.t.a.max_length: must be a whole"),
        ("tool_rules: {t: {a: {one_of: []}}}", "tool_rules.t.a.one_of: must not be empty"),
        ("tool_rules: {t: {a: {matches: ''}}}", "tool_rules.t.a.matches: must not be empty"),
        ('name: "a\\tb"', "name: must have no control characters"),
        ('{"name": "\\ud800"}', "name: must be a text of valid Unicode"),
        ("name: " + "a" * 201, "name: must have at most 200 characters, not 'aaa"),
        ("mode: strict", "mode: strict needs a graph"),
        ("name: 'x", "the policy is no YAML or JSON"),
        ("[]", "the policy must be a mapping of fields"),
        ("", "the policy must be a mapping of fields"),
    ],
)
def test_the_words(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    said = str(caught.value)
    assert words in said
    assert "pydantic" not in said
    assert "http" not in said
    assert len(said) < 2000


def test_all_problems_are_told_with_their_fields() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy("max_tokens_per_turn: x\nmode: y\nallowed_tools: [a, 'b c']")
    assert [one.field for one in caught.value.problems] == [
        "max_tokens_per_turn",
        "mode",
        "allowed_tools[1]",
    ]


def test_no_more_than_twenty_are_told() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy("allowed_agents: [" + "A, " * 50 + "]")
    assert len(caught.value.problems) == 20


def test_a_type_of_error_that_has_no_words_of_ours() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(date).validate_python("x")
    (one,) = found_by(caught.value)
    assert one.message.startswith("Input should be a valid date")
    assert one.message.endswith(", not 'x'")


def test_a_problem_of_the_whole_has_no_field() -> None:
    assert str(Problem("", "is wrong")) == "is wrong"
    assert str(Problem("a.b", "is wrong")) == "a.b: is wrong"
