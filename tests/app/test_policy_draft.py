"""A policy's text as fields, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_app import policy_draft
from amaze_app.gateway.policies import Policy, parse
from amaze_app.policy_draft import document, with_field, without_field, written

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(list(Policy.model_fields)) | st.text()


@given(st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_what_is_written_is_read_again(fields: dict[str, object]) -> None:
    again = document(written(fields))
    assert again is not None
    gone = {name: fields[name] for name in fields if name not in again}
    assert {**again, **gone} == fields
    defaults = Policy().model_dump(mode="json")
    assert all(defaults[name] == value for name, value in gone.items())


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_none(text: str) -> None:
    found = document(text)
    assert found is None or all(isinstance(name, str) for name in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "name",
        "1: a",
        "name: &x a\nmode: *x",
        "name: !!str a",
        "name: a\nname: b",
        "name: [",
        "name: " + "[" * 40 + "]" * 40,
        "name: " + "x" * 300_000,
        "name: 2026-99-99",
    ],
)
def test_what_a_policy_could_not_be_is_no_document(text: str) -> None:
    assert document(text) is None


def test_fields_come_in_the_order_of_the_schema_and_without_defaults() -> None:
    fields = {
        "own": 1,
        "enforcement": "shadow",
        "mode": "flexible",
        "allowed_tools": ["b", "a"],
        "max_tokens_per_turn": 0,
        "name": "n",
    }
    assert written(fields) == (
        "name: n\nallowed_tools:\n  - b\n  - a\nenforcement: shadow\nown: 1\n"
    )
    assert written({}) == policy_draft.EMPTY == written(Policy().model_dump(mode="json"))


def test_nobody_is_not_anybody() -> None:
    nobody = written({"allowed_callers": []})
    assert parse(nobody).allowed_callers == ()
    assert parse(written({})).allowed_callers is None


def test_false_is_no_number() -> None:
    assert json.loads(json.dumps(document(written({"max_tokens_per_turn": False})))) == {
        "max_tokens_per_turn": False
    }


def test_one_list_in_two_places_is_written_twice() -> None:
    names = ["a"]
    text = written({"allowed_tools": names, "allowed_agents": names})
    assert "*" not in text
    assert document(text) == {"allowed_tools": ["a"], "allowed_agents": ["a"]}


def test_fields_are_set_and_taken_away() -> None:
    fields = {"name": "n"}
    more = with_field(fields, "mode", "strict")
    assert more == {"name": "n", "mode": "strict"}
    assert without_field(more, "name") == {"mode": "strict"}
    assert fields == {"name": "n"} == without_field(fields, "mode")
