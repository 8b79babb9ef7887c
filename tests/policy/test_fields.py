from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from amaze_proxy.policy.fields import Count, Dollars, Text, Window, microusd, window_ms


class One(BaseModel):
    count: Count = 0
    dollars: Dollars = Decimal(0)
    text: Text = ""
    window: Window = "1s"


@pytest.mark.parametrize(
    ("dollars", "micro"),
    [
        (1, 1_000_000),
        (0.1, 100_000),
        ("0.30", 300_000),
        (Decimal("0.000001"), 1),
        (0, 0),
        (10**9, 10**15),
        ("1e-3", 1_000),
    ],
)
def test_dollars_are_exact_micro_dollars(dollars: Any, micro: int) -> None:
    assert microusd(One(dollars=dollars).dollars) == micro


@pytest.mark.parametrize(
    "dollars", [-1, "0.0000001", True, "x", None, float("inf"), "NaN", 10**9 + 1, [1]]
)
def test_no_dollars(dollars: Any) -> None:
    with pytest.raises(ValidationError):
        One(dollars=dollars)


@given(st.integers(0, 10**15))
def test_dollars_survive_json(micro: int) -> None:
    one = One(dollars=Decimal(micro) / 1_000_000)
    assert microusd(One.model_validate_json(one.model_dump_json()).dollars) == micro


@pytest.mark.parametrize(
    ("text", "window", "ms"),
    [
        ("1s", "1s", 1_000),
        ("10m", "10m", 600_000),
        ("1h", "1h", 3_600_000),
        ("7d", "7d", 604_800_000),
        ("010m", "10m", 600_000),
    ],
)
def test_window(text: str, window: str, ms: int) -> None:
    one = One(window=text)
    assert one.window == window
    assert window_ms(one.window) == ms


@pytest.mark.parametrize(
    "window",
    [
        "",
        "10",
        "m",
        "0s",
        "00h",
        "1w",
        "-1s",
        "1 m",
        "1m\n",
        "٣m",
        "1.5h",
        10,
        None,
        "9" * 12 + "d",
    ],
)
def test_no_window(window: Any) -> None:
    with pytest.raises(ValidationError, match="such as '10m'"):
        One(window=window)


@pytest.mark.parametrize("count", [-1, 1.0, "1", True, None, 10**15 + 1])
def test_no_count(count: Any) -> None:
    with pytest.raises(ValidationError):
        One(count=count)


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a" * 201, 1])
def test_no_text(text: Any) -> None:
    with pytest.raises(ValidationError):
        One(text=text)
