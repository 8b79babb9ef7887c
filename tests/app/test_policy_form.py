"""The form of a policy: what it shows of a draft, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_app.gateway.policies import Policy, parse
from amaze_app.policy_entries import Kind
from amaze_app.policy_fields import FIELDS
from amaze_app.policy_form import Unreadable, added, changed, limited, removed, shown

EMPTY = "{}\n"
ALL = """
name: all
max_tokens_per_turn: 50000
max_cost_usd_per_turn: 0.5
token_rate_limits: [{window: 10m, max_tokens: 9000}]
cost_rate_limits: [{window: 1h, max_usd: 0.25}]
hard_budgets: true
allowed_tools: [search, files/read]
tool_rules: {search: {q: {max_length: 5}}}
allowed_callers: []
"""

_OF_KIND: dict[Kind, tuple[Callable[..., str], ...]] = {
    Kind.NAMES: (added, removed),
    Kind.CALLERS: (changed, added, removed),
    Kind.TOKENS: (limited, removed),
    Kind.COSTS: (limited, removed),
}
# each field with what the form does to it
_EDITS = [
    (name, edit) for name in sorted(FIELDS) for edit in _OF_KIND.get(FIELDS[name].kind, (changed,))
]


def test_the_form_has_every_field_and_every_choice() -> None:
    assert set(FIELDS) == set(Policy.model_fields)
    for name, entry in FIELDS.items():
        assert entry.help
        if entry.kind is Kind.CHOICE:
            kind = Policy.model_fields[name].annotation
            assert kind is not None
            assert set(entry.options) == set(map(str, kind))  # type: ignore[call-overload]
            assert entry.options[0] == Policy.model_fields[name].default


def test_what_the_form_shows() -> None:
    found = shown(ALL, [])
    assert found.readable
    assert found.texts["name"] == "all"
    assert found.texts["max_tokens_per_turn"] == "50,000"
    assert found.texts["max_tool_calls_per_turn"] == ""
    assert found.texts["max_agent_depth"] == "8"
    assert found.texts["max_cost_usd_per_turn"] == "0.5"
    assert found.texts["hard_budgets"] == "true"
    assert found.texts["allow_sampling"] == "false"
    assert found.texts["unknown_price"] == "worst_case"
    assert found.texts["tool_rules"] == "search:\n  q:\n    max_length: 5\n"
    assert found.texts["graph"] == ""
    assert found.texts["allowed_callers"] == "true"
    assert found.lists["allowed_callers"] == []
    assert found.lists["allowed_tools"] == ["search", "files/read"]
    assert found.lists["token_rate_limits"] == ["9,000 tokens in 10m"]
    assert found.lists["cost_rate_limits"] == ["$0.25 in 1h"]
    assert not shown("name: [", []).readable


def test_what_is_wrong_stands_at_its_field() -> None:
    errors = [
        ("allowed_tools[1]", "bad"),
        ("allowed_tools[2]", "too"),
        ("tool_rules.files/read.path", "no rule"),
        ("max_tokens_per_turn", "must be a whole number"),
        ("", "mode: strict needs a graph"),
        ("own.x", "unknown"),
    ]
    found = shown(ALL, errors)
    assert found.troubles == {
        "allowed_tools": "[1]: bad; [2]: too",
        "tool_rules": "files/read.path: no rule",
        "max_tokens_per_turn": "must be a whole number",
    }
    assert found.faults == ["mode: strict needs a graph", "own.x: unknown"]


def test_values_that_no_field_should_have_are_shown_too() -> None:
    text = """
max_tokens_per_turn: lots
max_tool_calls_per_turn: true
allowed_tools: search
token_rate_limits: [10m, {window: 10m}, {window: 10m, max_tokens: x}]
tool_rules: [1]
"""
    found = shown(text, [])
    assert found.texts["max_tokens_per_turn"] == "lots"
    assert found.texts["max_tool_calls_per_turn"] == "true"
    assert found.lists["allowed_tools"] == ["search"]
    assert found.lists["token_rate_limits"] == ["10m", '{"window": "10m"}', "x tokens in 10m"]
    assert found.texts["tool_rules"] == "[1]"


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("name", " a name ", "a name"),
        ("max_tokens_per_turn", "50,000", 50_000),
        ("max_tokens_per_turn", "50 000", 50_000),
        ("max_tokens_per_turn", "lots", "lots"),
        ("max_tokens_per_turn", "-1", "-1"),
        ("max_tokens_per_turn", "9" * 30, "9" * 30),
        ("max_agent_depth", "0", 0),
        ("max_cost_usd_per_turn", "$0.50", 0.5),
        ("max_cost_usd_per_turn", "2", 2),
        ("max_cost_usd_per_turn", "NaN", "NaN"),
        ("max_cost_usd_per_turn", "1e999999", "1e999999"),
        ("max_cost_usd_per_turn", "half", "half"),
        ("hard_budgets", "true", True),
        ("mode", "strict", "strict"),
        ("allowed_callers", "true", []),
        ("tool_rules", "search: {q: {absent: true}}", {"search": {"q": {"absent": True}}}),
    ],
)
def test_what_is_typed_is_the_value(name: str, typed: str, value: object) -> None:
    from amaze_app.policy_draft import document

    assert document(changed(EMPTY, name, typed)) == {name: value}


@pytest.mark.parametrize("name", [n for n, one in FIELDS.items() if one.kind is not Kind.CALLERS])
def test_nothing_typed_is_the_default(name: str) -> None:
    if FIELDS[name].kind in (Kind.NAMES, Kind.TOKENS, Kind.COSTS):
        with pytest.raises(Unreadable, match="is a list"):
            changed(EMPTY, name, "")
    else:
        assert parse(changed(EMPTY, name, "")) == Policy()


def test_names_are_added_once_and_removed() -> None:
    text = added(EMPTY, "allowed_tools", " search  files/read search ")
    assert parse(text).allowed_tools == ("search", "files/read")
    text = removed(added(text, "allowed_tools", "search x"), "allowed_tools", "search")
    assert parse(text).allowed_tools == ("files/read", "x")
    for one in ("files/read", "x"):
        text = removed(text, "allowed_tools", one)
    assert text == EMPTY


def test_the_last_caller_taken_away_leaves_nobody() -> None:
    text = added(changed(EMPTY, "allowed_callers", "true"), "allowed_callers", "boss")
    assert parse(text).allowed_callers == ("boss",)
    text = removed(text, "allowed_callers", "boss")
    assert parse(text).allowed_callers == ()
    assert changed(text, "allowed_callers", "false") == EMPTY


def test_a_window_is_added_changed_and_removed() -> None:
    text = limited(EMPTY, "token_rate_limits", " 10m ", "9,000")
    text = limited(text, "cost_rate_limits", "1h", "$0.25")
    text = limited(text, "token_rate_limits", "1h", "20000")
    text = limited(text, "token_rate_limits", "10m", "8000")
    policy = parse(text)
    found = [(one.window, one.max_tokens) for one in policy.token_rate_limits]
    assert found == [("1h", 20_000), ("10m", 8000)]
    assert policy.cost_rate_limits[0].max_microusd == 250_000
    text = removed(text, "token_rate_limits", "8,000 tokens in 10m")
    text = removed(text, "token_rate_limits", "20,000 tokens in 1h")
    assert parse(removed(text, "cost_rate_limits", "$0.25 in 1h")) == Policy()


def test_fields_of_another_kind_are_refused() -> None:
    for do in (
        lambda: added(EMPTY, "name", "x"),
        lambda: removed(EMPTY, "name", "x"),
        lambda: limited(EMPTY, "allowed_tools", "1h", "1"),
        lambda: changed(EMPTY, "tool_rules", "{a: &x 1}"),
        lambda: changed("name: [", "name", "x"),
    ):
        with pytest.raises(Unreadable):
            do()


@given(st.sampled_from(_EDITS), st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_typed_the_draft_stays_a_document(
    edit: tuple[str, Callable[..., str]], typed: str, more: str
) -> None:
    name, do = edit
    try:
        text = do(ALL, name, typed, *([more] if do is limited else []))
    except Unreadable:
        return
    found = shown(text, [])
    assert found.readable
    assert set(found.texts) == set(FIELDS)
