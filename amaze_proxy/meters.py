"""The proxy's metrics: counted by each worker in files of its own, summed when Prometheus asks.

A scrape reaches one worker and is answered for all: the numbers are in memory-mapped files, those
of a worker's place rather than of its process, so that they go on when it is started again. No
label has a value that a caller chose.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from amaze_proxy.pipeline.app import Endpoint
from amaze_proxy.pipeline.line import Meters
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.scrapers import REFUSAL, Scrapers

_EVERY_S = 1.0
_FILES = ("counter", "gauge_sum", "histogram")
# Of each file: several times what there can be of series. Written, so that its disk space is
# taken: a full disk would end a worker that writes to a page which has none.
_FILE_SIZE = 512 * 1024
_PROVIDERS_MOST = 64
_REASONS = frozenset(str(reason) for reason in Reason)
_OTHER = "other"
_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the parts of a worker say of themselves: of now, and (`…_total`) since its start."""

    calls_in_flight: int = 0
    connections: int = 0
    journal_bytes: int = 0
    store_errors_total: int = 0
    spans_exported_total: int = 0
    spans_dropped_total: int = 0
    unrecorded_calls_total: int = 0


_ABOUT = {
    "calls_in_flight": "Calls that were let pass and are being answered.",
    "connections": "Open connections of clients.",
    "journal_bytes": "What waits on disk for the store to take it.",
    "store_errors_total": "Calls of the store that failed.",
    "spans_exported_total": "Spans that the collector took.",
    "spans_dropped_total": "Spans that the collector did not get.",
    "unrecorded_calls_total": "Refusals of unknown callers that were only counted.",
}


class WorkerMeters(Meters):
    """The numbers of one worker. Made by `open_meters`."""

    def __init__(self) -> None:
        self._calls = _counter("calls", "Calls that ended.", "kind", "decision", "reason")
        self._alerts = _counter("alerts", "What a policy let pass with an alert.", "reason")
        self._tokens = _counter("tokens", "Tokens used.", "provider", "direction")
        self._cost = _counter("cost_usd", "US dollars spent.", "provider")
        self._duration = _histogram("call_duration", "From request to the end of its answer.")
        self._first_byte = _histogram("time_to_first_byte", "From request to its answer's begin.")
        self._ended: dict[tuple[str, str, str], Counter] = {}
        self._times: dict[str, tuple[Histogram, Histogram]] = {}
        self._spent: dict[str, tuple[Counter, Counter, Counter]] = {}
        self._last = Reading()
        self._read: dict[str, Counter | Gauge] = {
            field.name: _of_reading(field.name) for field in fields(Reading)
        }
        self.read(self._last)  # whoever had this place before may have left other numbers
        _counter("worker_starts", "Starts of worker processes.").inc()

    def ended(self, record: AuditRecord) -> None:
        key = (record.kind, *_verdict(record))
        calls = self._ended.get(key)
        if calls is None:
            calls = self._ended[key] = self._calls.labels(*key)
        calls.inc()
        if not record.denied:
            self._timed(record)
        if record.tokens_in or record.tokens_out or record.cost_microusd:
            self._used(record)
        if record.alert:
            for reason in record.alert.split(","):
                self._alerts.labels(_known(reason)).inc()

    def _timed(self, record: AuditRecord) -> None:
        times = self._times.get(record.kind)
        if times is None:
            of = self._duration.labels(record.kind), self._first_byte.labels(record.kind)
            times = self._times[record.kind] = of
        times[0].observe(record.latency_ms / 1000)
        if record.ttft_ms >= 0:
            times[1].observe(record.ttft_ms / 1000)

    def _used(self, record: AuditRecord) -> None:
        spent = self._spent.get(record.provider)
        if spent is None:
            # Registered hosts are providers too, and may come and go.
            name = record.provider if len(self._spent) < _PROVIDERS_MOST else _OTHER
            spent = (
                self._tokens.labels(name, "input"),
                self._tokens.labels(name, "output"),
                self._cost.labels(name),
            )
            if name != _OTHER:
                self._spent[name] = spent
        spent[0].inc(record.tokens_in)
        spent[1].inc(record.tokens_out)
        spent[2].inc(record.cost_microusd / 1e6)

    def read(self, reading: Reading) -> None:
        """Take over what the parts say."""
        for name, metric in self._read.items():
            value = getattr(reading, name)
            if isinstance(metric, Gauge):
                metric.set(value)
            else:
                metric.inc(max(0, value - getattr(self._last, name)))
        self._last = reading

    async def watch(self, ask: Callable[[], Reading], every: float = _EVERY_S) -> None:
        """Until cancelled."""
        while True:
            self.read(ask())
            await asyncio.sleep(every)


def _verdict(record: AuditRecord) -> tuple[str, str]:
    if record.denied:
        return "deny", _known(record.denial_reason)
    if record.would_deny:
        return "shadow", _known(record.would_deny)
    return "allow", _known(record.error.partition(":")[0]) if record.error else ""


def _known(reason: str) -> str:
    return reason if reason in _REASONS else _OTHER


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"amaze_proxy_{name}", about, labels, registry=None)


def _histogram(name: str, about: str) -> Histogram:
    name = f"amaze_proxy_{name}_seconds"
    return Histogram(name, about, ("kind",), registry=None, buckets=_SECONDS)


def _of_reading(name: str) -> Counter | Gauge:
    if name.endswith("_total"):
        return _counter(name.removesuffix("_total"), _ABOUT[name])
    about = _ABOUT[name]
    return Gauge(f"amaze_proxy_{name}", about, registry=None, multiprocess_mode="sum")


def directory(data_dir: Path) -> Path:
    """Where the workers of one platform count."""
    return data_dir / "run" / "metrics"


def clean(where: Path) -> None:
    """Begin at zero. Raises OSError."""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_meters(where: Path, place: str) -> WorkerMeters:
    """The meters of the worker in this place; once in a process. Raises OSError."""
    for prefix in _FILES:
        path = where / f"{prefix}_{place}.db"
        if not path.exists():
            draft = path.with_suffix(".new")
            draft.write_bytes(bytes(_FILE_SIZE))
            draft.rename(path)
    # What prometheus_client documents for processes with names of their own.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(where)
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
    return WorkerMeters()


class _Build(Collector):
    def __init__(self, version: str) -> None:
        self._version = version

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("amaze_build_info", "What runs.", labels=("version",))
        family.add_metric((self._version,), 1)
        yield family


def exposition(where: Path, version: str) -> bytes:
    """The sum over all workers, as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(_Build(version))
    MultiProcessCollector(registry, str(where))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def endpoint(where: Path, version: str, scrapers: Scrapers) -> Endpoint:
    """Answers `GET /metrics`, one scrape at a time."""
    one_at_a_time = asyncio.Lock()

    async def show(request: Request) -> Response:
        if not scrapers.allow(request):
            return PlainTextResponse(REFUSAL, 403)
        async with one_at_a_time:
            body = await asyncio.to_thread(exposition, where, version)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return show
