"""Numbers and times as people read them."""

from __future__ import annotations

import pytest

from amaze_app import texts


def test_a_moment_is_in_utc() -> None:
    assert texts.moment(1_700_000_000_999) == "2023-11-14 22:13:20"
    assert texts.moment(0) == ""


@pytest.mark.parametrize(
    ("microusd", "text"),
    [
        (0, ""),
        (1, "$0.000001"),
        (4200, "$0.0042"),
        (1_000_000, "$1.00"),
        (1_234_560_000, "$1,234.56"),
    ],
)
def test_cost(microusd: int, text: str) -> None:
    assert texts.cost(microusd) == text


@pytest.mark.parametrize(
    ("ms", "text"), [(0.04, "0.0 ms"), (3.21, "3.2 ms"), (48.4, "48 ms"), (1700, "1.7 s")]
)
def test_latency(ms: float, text: str) -> None:
    assert texts.latency(ms) == text


def test_tokens() -> None:
    assert texts.tokens(0, 0, False) == ""
    assert texts.tokens(1200, 80, False) == "1,200 / 80"
    assert texts.tokens(5, 0, True) == "~5 / 0"
