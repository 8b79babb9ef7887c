"""What the page of a policy says of versions and of a simulation."""

from __future__ import annotations

from collections import Counter

from amaze_app.gateway.policies import Comparison, Flip, PolicyVersion, Simulation, parse
from amaze_app.policy_simulation import Outcome, Unsure, outcome
from amaze_app.policy_versions import change_rows, older, text_of, version_row
from amaze_proxy.control.policy_diff import diff
from amaze_proxy.control.simulate import Sum

_DOCUMENT = '{"name":"n","token_rate_limits":[{"max_tokens":5,"window":"10m"}]}'


def _version(number: int) -> PolicyVersion:
    return PolicyVersion("a", number, number - 1, "ann", 7, "why", "ab" * 32, _DOCUMENT)


def test_a_version_leads_to_what_it_changed() -> None:
    row = version_row("a", _version(3))
    assert (row.number, row.parent, row.author, row.comment) == (3, 2, "ann", "why")
    assert row.href == "/agents/a/policy?tab=versions&to=3"


def test_a_version_is_shown_in_the_order_of_the_schema() -> None:
    assert text_of(_version(1)) == (
        "name: n\ntoken_rate_limits:\n  - window: 10m\n    max_tokens: 5\n"
    )


def test_the_next_page_begins_behind_the_last_row() -> None:
    versions = [_version(number) for number in (5, 4, 3)]
    assert older(versions, 2) == 4
    assert older(versions, 3) == 0


def test_changes_are_shown_side_by_side() -> None:
    old = parse("allowed_tools: [a]\nmax_tokens_per_turn: 5\nname: x")
    new = parse("allowed_tools: [b]\nmax_tokens_per_turn: 6\ntool_rules: {b: {q: {absent: true}}}")
    rows = change_rows(Comparison(1, 2, diff(old, new)))
    assert [(one.path, one.kind, one.old, one.new) for one in rows] == [
        ("name", "changed", "x", '""'),
        ("max_tokens_per_turn", "changed", "5", "6"),
        ("allowed_tools", "removed", "a", ""),
        ("allowed_tools", "added", "", "b"),
        ("tool_rules.b", "added", "", "q:\n  absent: true\n"),
    ]
    assert len({one.key for one in rows}) == len(rows)
    long = change_rows(Comparison(0, 1, diff(parse("{}"), parse(f"name: {'x' * 200}"))))
    assert long[0].new == "x" * 200


def test_a_simulation_in_numbers() -> None:
    flip = Flip("d1", "t1", 7, "mcp", "files", "files/read", "", "", "tool-not-allowed", "no", 5, 9)
    found = Simulation(
        since_ms=0,
        cut=True,
        calls=1234,
        unchanged=1000,
        now_denied=Sum(2, 5000, 4200),
        undecidable=Counter({"cut": 3}),
        flips=[flip],
    )
    told = outcome(found, 24)
    assert (told.calls, told.about) == ("1,234", "the newest of 24 h: there were more")
    assert (told.denied, told.denied_below) == ("2", "saves 5k tokens, $0.0042")
    assert (told.allowed, told.allowed_below) == ("0", "no tokens, no money")
    assert (told.unsure, told.more) == ("3", "the first 1 of 2")
    assert told.undecidable == [Unsure("cut", "3")]
    (row,) = told.flips
    assert (row.what, row.was, row.becomes) == ("files/read", "", "tool-not-allowed")
    assert row.href == "/traces/t1?call=d1"
    assert outcome(Simulation(0), 1) != Outcome()
