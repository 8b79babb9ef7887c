from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.history.rollups import latency_class, latency_of, reasons
from amaze_proxy.history.statistics import percentile


@given(st.floats(0.02, 1e7))
def test_the_class_of_a_latency_tells_it_within_five_percent(latency: float) -> None:
    assert latency_of(latency_class(latency)) == pytest.approx(latency, rel=0.05)


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_classes_are_in_the_order_of_latencies(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert latency_class(low) <= latency_class(high)


@given(st.lists(st.floats(0.02, 1e6), min_size=1), st.sampled_from((0.5, 0.95)))
def test_a_percentile_is_that_of_the_latencies(latencies: list[float], share: float) -> None:
    classes: dict[int, int] = {}
    for one in latencies:
        classes[latency_class(one)] = classes.get(latency_class(one), 0) + 1
    found = percentile(classes, share)
    assert found is not None
    at_most = sum(one <= found * 1.06 for one in latencies)
    below = sum(one < found / 1.06 for one in latencies)
    assert at_most >= share * len(latencies) - 1e-9
    assert below < share * len(latencies) + 1e-9


def test_no_latency_has_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_reasons_are_told_once_each() -> None:
    assert reasons("a", "", "b,a,,c") == ("a", "b", "c")
    assert reasons("", "", "") == ()
