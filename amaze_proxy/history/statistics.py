"""Numbers over time, read from the sums that are kept beside the calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session

from amaze_proxy.history.database import Database
from amaze_proxy.history.queries import SUM, Viewer
from amaze_proxy.history.rollups import EVERYBODY, HOUR_S, MINUTE_S, Dimension, latency_of

_NAMED = (Dimension.TOOL, Dimension.PEER, Dimension.MODEL, Dimension.REASON)
_MOST_NAMES = 100
_SUMS = tuple(
    func.sum(one)
    for one in (
        SUM.calls,
        SUM.denied,
        SUM.tokens_in,
        SUM.tokens_out,
        SUM.cost_microusd,
    )
)


@dataclass(frozen=True, slots=True)
class Period:
    """Seconds since the epoch, all multiples of `bucket_s`, which is one of whole minutes."""

    since_s: int
    until_s: int
    bucket_s: int

    @property
    def starts(self) -> range:
        """Where the buckets begin."""
        return range(self.since_s, self.until_s, self.bucket_s)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Sums of calls."""

    calls: int = 0
    denied: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_microusd: int = 0


NOTHING = Numbers()


@dataclass(frozen=True, slots=True)
class Named:
    """The sums of one tool, model, peer or reason."""

    name: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sums of a stretch of time. Latencies in milliseconds, of allowed calls, within 5 %; None
    without such a call."""

    start_s: int
    numbers: Numbers
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """`total` is the bucket of the whole period; `by` has the most frequent names first."""

    period: Period
    total: Bucket
    buckets: tuple[Bucket, ...]
    by: dict[Dimension, tuple[Named, ...]]


@dataclass(slots=True)
class _Open:
    """A bucket that is being filled: `latencies` counts calls by class."""

    numbers: Numbers = NOTHING
    latencies: dict[int, int] = field(default_factory=dict)

    def closed(self, start_s: int) -> Bucket:
        p50, p95 = (percentile(self.latencies, share) for share in (0.5, 0.95))
        return Bucket(start_s, self.numbers, p50, p95)


class StatisticsHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, viewer: Viewer, period: Period) -> Statistics:
        """What the viewer may see of the period."""

        def work(session: Session) -> Statistics:
            buckets = _buckets(session, viewer, period)
            by = {one: _names(session, viewer, period, one) for one in _NAMED}
            closed = tuple(buckets.get(start, _Open()).closed(start) for start in period.starts)
            return Statistics(period, _total(buckets.values()).closed(period.since_s), closed, by)

        return await self._database.read(work)

    async def by_agent(self, agent_ids: Collection[str], period: Period) -> dict[str, Numbers]:
        """The sums of each of these agents that has called in the period."""

        def work(session: Session) -> dict[str, Numbers]:
            query = select(SUM.agent_id, *_SUMS).where(*_when(period))
            query = query.where(SUM.agent_id.in_(sorted(agent_ids)))
            query = query.where(SUM.dimension == str(Dimension.ALL)).group_by(SUM.agent_id)
            found = session.connection().execute(query)
            return {str(agent_id): Numbers(*map(int, sums)) for agent_id, *sums in found}

        return await self._database.read(work)

    async def reasons(self, viewer: Viewer, period: Period) -> tuple[Named, ...]:
        """The alerts of the period by reason, the most frequent first."""
        return await self._database.read(
            lambda session: _names(session, viewer, period, Dimension.REASON)
        )


def percentile(classes: dict[int, int], share: float) -> float | None:
    """The latency that `share` of the calls, counted by class, do not exceed (nearest rank)."""
    rank = share * sum(classes.values())
    for number, calls in sorted(classes.items()):
        rank -= calls
        if rank <= 0:
            return round(latency_of(number), 3)
    return None


def _buckets(session: Session, viewer: Viewer, period: Period) -> dict[int, _Open]:
    number = ((SUM.start_s - period.since_s) // period.bucket_s).label("number")
    found: dict[int, _Open] = {}
    query = select(number, *_SUMS).where(*_within(viewer, period, Dimension.ALL))
    for place, *sums in session.connection().execute(query.group_by("number")):
        start = period.since_s + int(place) * period.bucket_s
        found[start] = _Open(Numbers(*map(int, sums)))
    classes = select(number, SUM.value, func.sum(SUM.calls))
    classes = classes.where(*_within(viewer, period, Dimension.LATENCY))
    for place, value, calls in session.connection().execute(classes.group_by("number", SUM.value)):
        # PostgreSQL may show a later moment to this query, with a bucket more
        bucket = found.setdefault(period.since_s + int(place) * period.bucket_s, _Open())
        bucket.latencies[int(value)] = int(calls)
    return found


def _names(
    session: Session, viewer: Viewer, period: Period, dimension: Dimension
) -> tuple[Named, ...]:
    query = select(SUM.value, *_SUMS).where(*_within(viewer, period, dimension))
    found = session.connection().execute(query.group_by(SUM.value))
    named = [Named(str(name), Numbers(*map(int, sums))) for name, *sums in found]
    named.sort(key=lambda one: (-one.numbers.calls, one.name))
    return tuple(named[:_MOST_NAMES])


def _within(
    viewer: Viewer, period: Period, dimension: Dimension
) -> tuple[ColumnElement[bool], ...]:
    agents = (EVERYBODY,) if viewer.agents is None else sorted(viewer.agents - {EVERYBODY})
    return (SUM.agent_id.in_(agents), SUM.dimension == str(dimension), *_when(period))


def _when(period: Period) -> tuple[ColumnElement[bool], ...]:
    grain = MINUTE_S if period.bucket_s % HOUR_S else HOUR_S
    return (
        SUM.grain_s == grain,
        SUM.start_s >= period.since_s,
        SUM.start_s < period.until_s,
    )


def _total(buckets: Iterable[_Open]) -> _Open:
    total = _Open()
    for one in buckets:
        total.numbers = _added(total.numbers, one.numbers)
        for number, calls in one.latencies.items():
            _count(total.latencies, number, calls)
    return total


def _count(classes: dict[int, int], number: int, calls: int) -> None:
    classes[number] = classes.get(number, 0) + calls


def _added(one: Numbers, other: Numbers) -> Numbers:
    return Numbers(
        one.calls + other.calls,
        one.denied + other.denied,
        one.tokens_in + other.tokens_in,
        one.tokens_out + other.tokens_out,
        one.cost_microusd + other.cost_microusd,
    )
