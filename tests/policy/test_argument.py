from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amaze_proxy.policy.argument import MISSING, ArgumentRule, same


def rule(**conditions: Any) -> ArgumentRule:
    return ArgumentRule.model_validate(conditions)


@pytest.mark.parametrize(
    ("conditions", "value", "words"),
    [
        ({"equals": "x"}, "y", "must be 'x'"),
        ({"equals": "x"}, MISSING, "is required"),
        ({"one_of": [1, "a"]}, 2, "must be one of 1, 'a'"),
        ({"matches": "a+"}, "b", "must match 'a+' from beginning to end"),
        ({"max_length": 2}, "abc", "must be a text or a list no longer than 2"),
        ({"max_length": 0}, "a", "must be a text or a list no longer than 0"),
        ({"absent": True}, 1, "must be absent"),
        ({"absent": False}, MISSING, "is required"),
        ({"max_length": 2}, MISSING, ""),
        ({"max_length": 2}, {"a": 1}, "must be a text or a list no longer than 2"),
        ({"max_length": 2}, ["a"], ""),
        ({"absent": True}, MISSING, ""),
        ({"equals": "x", "max_length": 1}, "x", ""),
        ({"one_of": [True]}, 1, "must be one of True"),
    ],
)
def test_broken_by(conditions: dict[str, Any], value: object, words: str) -> None:
    assert rule(**conditions).broken_by(value) == words


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({}, "needs one of"),
        ({"absent": True, "equals": 1}, "can have no other condition"),
        ({"equals": None}, "has no value"),
        ({"matches": None, "max_length": 1}, "has no value"),
        ({"equals": [1]}, "must be a text, a number, true or false"),
        ({"equals": float("nan")}, "must be a text, a number, true or false"),
        ({"one_of": []}, "at least 1 item"),
        ({"matches": ""}, "at least 1 character"),
        ({"matches": "a" * 1001}, "at most 1000 characters"),
        ({"equal": 1}, "unknown key 'equal': did you mean 'equals'?"),
    ],
)
def test_no_rule(conditions: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rule(**conditions)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",  # back-reference
        r"(?=a)",
        r"(?<!a)b",
        "(a{1000}){1000}",  # too big when compiled
        "a)|(b",  # valid only inside our group
        "(?x)a # b",  # its comment would swallow the end of our group
        "(",
        "[",
    ],
)
def test_what_does_not_run_in_linear_time_or_compile_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="RE2-style"):
        rule(matches=pattern)


def test_a_pattern_that_backtracks_elsewhere_ends_here() -> None:
    assert rule(matches="(a+)+b").broken_by("a" * 50_000)


@given(st.text())
def test_a_match_is_of_the_whole_text(text: str) -> None:
    assert bool(rule(matches="[a-z]*").broken_by(text)) == (
        not all("a" <= character <= "z" for character in text)
    )


def test_what_is_no_text_does_not_match() -> None:
    for value in (1, True, None, ["a"], {"a": 1}, b"a", "\ud800"):
        assert rule(matches="(?s).*").broken_by(value)


SCALARS = st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)


@given(SCALARS, SCALARS)
def test_same_is_json_equality(one: object, other: object) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)
    if isinstance(one, bool) != isinstance(other, bool):
        assert not same(one, other)
