"""Numbers as people read them, and the geometry of charts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_app import charts, format


def test_numbers() -> None:
    assert [format.count(one) for one in (0, 12345)] == ["0", "12,345"]
    assert [format.short(one) for one in (0, 950, 12_345, 4_500_000)] == [
        "0",
        "950",
        "12.3k",
        "4.5M",
    ]
    amounts = (0, 350, 4_200, 42_000, 500_000, 1_234_500_000)
    assert [format.cost(one) for one in amounts] == [
        "$0",
        "$0.000350",
        "$0.0042",
        "$0.0420",
        "$0.50",
        "$1,234.50",
    ]
    assert [format.duration(one) for one in (None, 0, 3.21, 48.3, 1700, 125_000)] == [
        "–",
        "0 ms",
        "3.2 ms",
        "48 ms",
        "1.7 s",
        "2 min 5 s",
    ]
    assert format.tokens(0, 0) == "–"
    assert format.tokens(1200, 80, estimated=True) == "~1,200 / 80"
    assert [format.size(one) for one in (950, 12_345)] == ["950 B", "12.3kB"]
    assert [format.some(one) for one in ((), ("a", "b"), ("a", "b", "c"))] == [
        "–",
        "a, b",
        "a, b and 1 more",
    ]
    assert [format.share(1, 8), format.share(0, 0)] == ["12.5 %", "–"]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 5), (7, 10), (0.12, 0.2)])
def test_the_end_of_an_axis(value: float, top: float) -> None:
    assert charts.ceiling(value) == pytest.approx(top)


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 10**9)), max_size=30))
def test_a_donut_has_all_and_at_most_six(parts: list[tuple[str, int]]) -> None:
    found = charts.slices([(name, value, "") for name, value in parts])
    assert len(found) <= 6
    assert sum(one.value for one in found) == sum(value for _, value in parts)


def test_a_series() -> None:
    assert charts.series([]) == charts.NO_SERIES
    assert charts.series([None, None]) == charts.NO_SERIES
    found = charts.series([0, None, 5])
    assert found.line == "M0.0 140.0 L600.0 12.0"
    assert found.top == "5"
