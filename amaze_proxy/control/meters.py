"""The control plane's metrics: its own requests, and what its parts say when they are asked."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amaze_proxy.control.health import Numbers

Family = CounterMetricFamily | GaugeMetricFamily

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
_STRAY = ("other", "unmatched")  # what matches no route: whatever a caller makes up


class ControlMeters:
    """Of one app. Routes are counted by their templates: what a path names is nobody's label."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "amaze_control_http_requests",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "amaze_control_http_request_duration_seconds",
            "From request to the end of its answer.",
            ("method", "route"),
            registry=self._registry,
            buckets=_SECONDS,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """A request has ended."""
        route = scope.get("route")
        # A path that is known with another method is a route too.
        if isinstance(route, Route) and scope["method"] in (route.methods or ()):
            labels = scope["method"], route.path
        else:
            labels = _STRAY
        self._requests.labels(*labels, str(status)).inc()
        self._duration.labels(*labels).observe(seconds)

    def exposition(self, numbers: Numbers) -> bytes:
        """As Prometheus reads it."""
        registry = CollectorRegistry()
        registry.register(_Numbers(self._version, numbers))
        return generate_latest(registry) + generate_latest(self._registry)


class Measured:
    """ASGI middleware: every request is counted, also one that fails."""

    def __init__(self, app: ASGIApp, meters: ControlMeters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._meters.answered(scope, status, time.perf_counter() - begun)


class _Numbers(Collector):
    def __init__(self, version: str, numbers: Numbers) -> None:
        self._version = version
        self._numbers = numbers

    def collect(self) -> Iterator[Family]:
        found = self._numbers
        yield _gauges("build_info", "What runs.", "version", {self._version: 1})
        yield _gauges("control_part_up", "1: the part answers.", "part", found.parts)
        yield _gauges("agents", "Agents by status.", "status", found.agents)
        yield _gauge(
            "changes_not_in_force", "Changes that are saved and not published.", found.owed
        )
        if found.archive_lag is not None:
            about = "How far the archive is behind the streams."
            yield _gauge("archive_lag_seconds", about, found.archive_lag)
        yield _counter("archive_records", "Records moved into the archive.", found.archived)
        yield _counter("evidence_flaws", "Flaws of the evidence, each an alert.", found.flaws)
        yield _counter("checkpoints", "Checkpoints signed.", found.checkpoints)
        about = "Records of calls whose worker died, written in its place."
        yield _counter("abandoned_calls", about, found.abandoned)
        failed = CounterMetricFamily(
            "amaze_control_loop_failures", "Passes of a loop that failed.", labels=("loop",)
        )
        for loop, count in found.failures.items():
            failed.add_metric((loop,), count)
        yield failed
        yield _counter(
            "control_store_errors", "Calls of the store that failed.", found.store_errors
        )
        about = "What waits on disk for the store to take it."
        yield _gauge("control_journal_bytes", about, found.journal_bytes)


def _gauge(name: str, about: str, value: float) -> Family:
    return GaugeMetricFamily(f"amaze_{name}", about, value)


def _counter(name: str, about: str, value: float) -> Family:
    return CounterMetricFamily(f"amaze_{name}", about, value)


def _gauges(name: str, about: str, label: str, values: dict[str, int] | dict[str, bool]) -> Family:
    family = GaugeMetricFamily(f"amaze_{name}", about, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family
