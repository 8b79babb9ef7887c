from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.policy_lines import Lines
from amaze_proxy.policy.model import PolicyError, load_policy

TEXT = """\
name: p
tool_rules:
  files.read:
    path: {equals: 1}
  files:
    read:
      equals: 2
mode: strict
graph:
  start_step: 1
  steps:
    - step_id: 1
      callee_id: a
    -
      step_id: 2
      max_loop: 3
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("name", 1),
        ("tool_rules.files.read", 3),
        ("tool_rules.files.read.path.equals", 4),
        ("tool_rules.files", 5),
        ("graph.steps[0].callee_id", 13),
        ("graph.steps[1].step_id", 15),
        ("graph.steps[1].missing", 15),
        ("graph.steps[7].step_id", 11),
        ("graph.steps[x]", 11),
        ("name.below", 1),
        ("nothing", None),
        ("", None),
    ],
)
def test_a_field_has_its_line_or_that_of_the_nearest_round_it(field, line) -> None:
    assert Lines(TEXT).of(field) == line


def test_an_unknown_key_is_found_itself() -> None:
    lines = Lines(TEXT)
    with pytest.raises(PolicyError) as error:
        load_policy(TEXT)
    places = {(one.field, lines.of(one.field, one.message)) for one in error.value.problems}
    assert ("graph.steps[1]", 16) in places
    assert Lines("a: 1\nnaem: x\n").of("", "unknown key 'naem': did you mean 'name'?") == 2


def test_json_has_lines_too() -> None:
    assert Lines('{\n "name": 1,\n "mode": "x"}').of("mode") == 3


@pytest.mark.parametrize("text", ["name: [", "a: 1\na: &x 1\nb: 2"])
def test_what_the_reader_says_of_the_place_counts(text) -> None:
    with pytest.raises(PolicyError) as error:
        load_policy(text)
    (problem,) = error.value.problems
    assert f"line {Lines(text).of(problem.field, problem.message)}," in problem.message


def test_what_is_too_long_or_nothing_has_no_lines() -> None:
    assert Lines("name: " + "x" * 300_000).of("name") is None
    assert Lines("").of("name") is None
    assert Lines("[" * 5000).of("name") is None
    assert Lines("name: " + "[" * 33 + "]" * 33).of("name") is None
    assert Lines("name: " + "[" * 31 + "]" * 31).of("name") == 1
    assert Lines("? [a]\n: 1\nname: 2").of("name") == 3


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_any_text_and_field_give_a_line_or_none(text, field, message) -> None:
    line = Lines(text).of(field, message)
    assert line is None or line >= 1
