"""The numbers of an agent as its page shows them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from amaze_app import charts, format, routes
from amaze_app.charts import Series, Slice
from amaze_app.gateway.traces import Dimension, Statistics


@dataclass(frozen=True)
class Kpis:
    """The numbers on top."""

    calls: str = "–"
    denied: str = "–"
    denied_below: str = ""
    tokens: str = "–"
    tokens_below: str = ""
    cost: str = "–"
    p50: str = "–"
    p95: str = "–"


@dataclass(frozen=True)
class Lines:
    """Calls and latencies (ms) over time; the ends of their axis in ms since the epoch."""

    calls: Series = charts.NO_SERIES
    denied: Series = charts.NO_SERIES
    p50: Series = charts.NO_SERIES
    p95: Series = charts.NO_SERIES
    since_ms: int = 0
    until_ms: int = 0


def kpis(stats: Statistics) -> Kpis:
    """The sums of the period."""
    total, numbers = stats.total, stats.total.numbers
    return Kpis(
        calls=format.short(numbers.calls),
        denied=format.short(numbers.denied),
        denied_below=f"{format.share(numbers.denied, numbers.calls)} of the calls",
        tokens=format.short(numbers.tokens_in + numbers.tokens_out),
        tokens_below=f"{format.short(numbers.tokens_in)} in, "
        f"{format.short(numbers.tokens_out)} out",
        cost=format.cost(numbers.cost_microusd),
        p50=format.duration(total.p50_ms),
        p95=format.duration(total.p95_ms),
    )


def lines(stats: Statistics) -> Lines:
    """Two charts, each with one axis for both of its lines."""
    buckets = stats.buckets
    called = [float(one.numbers.calls) for one in buckets]
    slow = [one.p95_ms for one in buckets]
    most, slowest = max(called, default=0), max((one for one in slow if one), default=0)
    return Lines(
        calls=charts.series(called, most),
        denied=charts.series([float(one.numbers.denied) for one in buckets], most),
        p50=charts.series([one.p50_ms for one in buckets], slowest),
        p95=charts.series(slow, slowest),
        since_ms=stats.period.since_s * 1000,
        until_ms=stats.period.until_s * 1000,
    )


def tokens(stats: Statistics, **kept: str) -> list[Slice]:
    """By model. Slices lead to the traces that have it, with the filters `kept`."""
    return charts.slices(
        [
            (
                one.name,
                one.numbers.tokens_in + one.numbers.tokens_out,
                routes.with_query(routes.TRACES, **kept, model=one.name),
            )
            for one in stats.by[Dimension.MODEL]
        ]
    )


def counted(stats: Statistics, dimension: Dimension, **kept: str) -> list[Slice]:
    """Calls by tool, peer or reason; as `tokens`."""
    return charts.slices(
        [
            (one.name, one.numbers.calls, _traces(dimension, one.name, kept))
            for one in stats.by[dimension]
        ]
    )


def _traces(dimension: Dimension, name: str, kept: dict[str, str]) -> str:
    if dimension is Dimension.PEER:
        return routes.with_query(routes.TRACES, **kept, kind="a2a", target=name)
    return routes.with_query(routes.TRACES, **{**kept, str(dimension): name})
