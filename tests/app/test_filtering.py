"""Filters of lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amaze_app import filtering, routes
from amaze_app.filtering import Pill, TimeRange

LENGTHS = {"1h": 3_600_000}


def test_a_pill_changes_one_value_and_keeps_the_others() -> None:
    query = {"verdict": "denied", "agent": "a b"}
    values = [("", "all"), ("denied", "denied")]
    assert filtering.pills("/x", query, "verdict", values) == [
        Pill("all", "/x?agent=a+b", False),
        Pill("denied", "/x?verdict=denied&agent=a+b", True),
    ]


def test_periods_take_the_place_of_moments() -> None:
    whole, hour = filtering.periods("/x", {"since": "5", "tool": "t"}, ["1h"])
    assert (whole, hour) == (
        Pill("all time", "/x?tool=t", False),
        Pill("1h", "/x?tool=t&period=1h", False),
    )
    assert [one.chosen for one in filtering.periods("/x", {"period": "1h"}, ["1h"])] == [
        False,
        True,
    ]
    assert [one.chosen for one in filtering.periods("/x", {}, ["1h"])] == [True, False]


def test_the_time_that_is_asked_for() -> None:
    now = 10_000_000
    assert filtering.time_range({}, LENGTHS, now) == TimeRange()
    assert filtering.time_range({"period": "1h", "since": "1"}, LENGTHS, now) == TimeRange(
        6_400_000
    )
    assert filtering.time_range({"since": "7", "until": "9"}, LENGTHS, now) == TimeRange(7, 9)


@given(st.text(max_size=40))
def test_whatever_is_given_is_a_moment_or_none(text: str) -> None:
    assert 0 <= filtering.moment(text) < 10**15


def test_the_path_of_a_page_with_a_name_in_it() -> None:
    assert routes.is_named(routes.trace("t"))
    assert not routes.is_named(routes.TRACES)
    assert not routes.is_named("/traces/a/b")
    assert routes.trace("a/b", call="d") == "/traces/a%2Fb?call=d"
