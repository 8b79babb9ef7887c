"""The geometry of charts. Pure: numbers to SVG paths, worked out on the server, so that a chart
has its place before it is drawn, and nothing has to be measured in the browser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 160
_BASE, _TOP = 140, 12
_COLORS = 6


@dataclass(frozen=True)
class Slice:
    """A part of a donut. `dash` and `turn` draw it on a circle of length 100."""

    name: str
    value: int
    text: str
    share: str
    href: str
    color: str
    dash: str
    turn: str


@dataclass(frozen=True)
class Series:
    """A line over time and the area under it, as SVG paths; `top` is what its highest point is."""

    line: str
    area: str
    top: str


NO_SERIES = Series("", "", "")


def slices(parts: Sequence[tuple[str, int, str]], most: int = 6) -> list[Slice]:
    """The donut of (name, value, address), the greatest first; what is beyond `most` is `other`."""
    ranked = sorted((one for one in parts if one[1] > 0), key=lambda one: -one[1])
    if len(ranked) > most:
        rest = sum(value for _, value, _ in ranked[most - 1 :])
        ranked = [*ranked[: most - 1], ("other", rest, "")]
    whole, begun, found = sum(value for _, value, _ in ranked), 0.0, []
    for number, (name, value, href) in enumerate(ranked):
        length = 100 * value / whole
        found.append(
            Slice(
                name=name,
                value=value,
                text=f"{value:,}",
                share=f"{length:.0f} %",
                href=href,
                color=f"var(--chart-{number % _COLORS + 1})",
                dash=f"{max(length - 0.6, 0.2):.2f} 100",
                turn=f"{-begun:.2f}",
            )
        )
        begun += length
    return found


def series(values: Sequence[float | None], top: float = 0) -> Series:
    """Values at equal distances, from the left; None is a gap that the line goes over. The axis
    ends at `top`, or above it."""
    known = [value for value in values if value is not None]
    if not known:
        return NO_SERIES
    high = ceiling(max(top, *known, 0))
    step = WIDTH / max(1, len(values) - 1)
    points = [
        f"{number * step:.1f} {_BASE - (_BASE - _TOP) * value / high:.1f}"
        for number, value in enumerate(values)
        if value is not None
    ]
    line = "M" + " L".join(points if len(points) > 1 else points * 2)  # a dot, with round ends
    first, last = points[0].split()[0], points[-1].split()[0]
    return Series(
        line,
        f"{line} L{last} {_BASE} L{first} {_BASE} Z",
        f"{high:,g}" if high < 1e6 else f"{high:,.0f}",
    )


def ceiling(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= value * (1 - 1e-9))
