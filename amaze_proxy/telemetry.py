"""Spans by OTLP: bounded, in batches, dropped and counted when the collector is away.

A call only leaves its record in a queue. One thread makes spans of them and sends them,
so that neither a slow nor a missing collector is ever in a call's way.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from amaze_proxy.conventions import SCHEMA_URL, Description, Kind, describe
from amaze_proxy.otlp import Otlp, exporter
from amaze_proxy.pipeline.line import Spans
from amaze_proxy.policy.record import AuditRecord, linked
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger("amaze.proxy")

MOST_WAITING = 4096
"""Spans that wait for the collector; what comes beyond is dropped."""
_BATCH = 128  # of more, making the request would hold the interpreter for too long
_EVERY_S = 1.0
_CLOSE_S = 2.0
_NS = 1_000_000  # nanoseconds of a millisecond
# They repeat themselves for each batch, with what the collector answered; we say it once.
_CHATTY = ("opentelemetry", "urllib3.connectionpool", "grpc")


@dataclass(frozen=True, slots=True)
class _Finished:
    """One call. Ids as numbers, `parent` 0: none; times in nanoseconds."""

    said: Description
    trace_id: int
    span_id: int
    parent: int
    started: int
    ended: int
    sent: TraceContext | None


_Waiting = tuple[AuditRecord, TraceContext | None]


def _finished(record: AuditRecord, sent: TraceContext | None) -> _Finished:
    started = record.ts * _NS
    return _Finished(
        describe(record),
        # A call that belongs to no conversation is a trace of its own.
        int(record.trace_id or record.decision_id, 16),
        int(record.span_id, 16),
        int(record.parent_span_id or "0", 16),
        started,
        started + int(record.latency_ms * _NS),
        sent,
    )


class OtlpSpans(Spans):
    """Sends spans to a collector."""

    def __init__(self, exporter: SpanExporter, place: str, instance: str) -> None:
        """`place` of the collector, for messages; `instance` of this process."""
        self._exporter = exporter
        self._place = place
        self._maker = _Maker(instance)
        self._waiting: deque[_Waiting] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._exported = 0
        # Each is added to by one thread alone.
        self._overflowed = 0
        self._failed = 0
        self._away = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._overflowed + self._failed

    @property
    def exported(self) -> int:
        return self._exported

    def emit(self, record: AuditRecord, sent: TraceContext | None = None) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._overflowed += 1
            return
        # What is said of it is worked out by the thread; its bodies would be held meanwhile.
        kept = linked(record, "", 0, "", "")
        kept.input = kept.output = ""
        self._waiting.append((kept, sent))
        if len(self._waiting) == _BATCH:
            self._wake.set()

    def close(self) -> None:
        self._closing.set()
        self._wake.set()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            # It waits for the collector: what is left is lost, and the process may end.
            self._overflowed += len(self._take(MOST_WAITING))
            threading.Thread(target=self._exporter.shutdown, daemon=True).start()
        else:
            self._exporter.shutdown()

    def _take(self, most: int) -> list[_Waiting]:
        """The first of what waits. Of two threads, each gets others."""
        taken: list[_Waiting] = []
        with suppress(IndexError):
            while len(taken) < most:
                taken.append(self._waiting.popleft())
        return taken

    # -- the thread's ---------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(_EVERY_S)
            self._wake.clear()
            self._send()
        self._send()

    def _send(self) -> None:
        """All that waits; of a collector that is away, one batch, and once more at the end."""
        while batch := self._take(_BATCH):
            if self._sent(batch):
                self._exported += len(batch)
            else:
                self._failed += len(batch)
                return

    def _sent(self, batch: list[_Waiting]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        try:
            spans = [self._maker.make(_finished(*one)) for one in batch]
            done = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - the thread outlives what the exporter does
            log.debug("spans: %s", type(error).__name__)
            done = False
        if done == self._away:
            self._away = not done
            if done:
                log.info("spans reach %s again; %d were lost", self._place, self.dropped)
            else:
                log.warning("spans do not reach the collector at %s: dropped", self._place)
        return done


class _Maker:
    """Makes the SDK's spans, with the ids that the records have. For one thread."""

    def __init__(self, instance: str) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.id_generator import IdGenerator

        outer = self
        self._trace = trace
        self._next = (0, 0)
        self._made: list[ReadableSpan] = []

        class Given(IdGenerator):
            def generate_trace_id(self) -> int:
                return outer._next[0]

            def generate_span_id(self) -> int:
                return outer._next[1]

        class Keep(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                outer._made.append(span)

        resource = Resource.create({"service.name": "amaze-proxy", "service.instance.id": instance})
        provider = TracerProvider(
            resource=resource,
            id_generator=Given(),
            span_limits=SpanLimits(max_span_attribute_length=1024),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(Keep())
        self._tracer = provider.get_tracer("amaze", schema_url=SCHEMA_URL)
        self._kinds = {Kind.CLIENT: trace.SpanKind.CLIENT, Kind.INTERNAL: trace.SpanKind.INTERNAL}

    def make(self, one: _Finished) -> ReadableSpan:
        trace, said = self._trace, one.said
        self._next = (one.trace_id, one.span_id)
        context = None
        if one.parent:
            parent = self._context(one.trace_id, one.parent)
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        span = self._tracer.start_span(
            said.name,
            context,
            self._kinds[said.kind],
            said.attributes,
            links=[trace.Link(self._context(*one.sent.ids))] if one.sent else (),
            start_time=one.started,
        )
        if said.error:
            span.set_status(trace.StatusCode.ERROR, said.error)
        span.end(one.ended)
        return self._made.pop()

    def _context(self, trace_id: int, span_id: int) -> trace.SpanContext:
        sampled = self._trace.TraceFlags(self._trace.TraceFlags.SAMPLED)
        return self._trace.SpanContext(trace_id, span_id, True, sampled)


def open_spans(to: Otlp | None, instance: str) -> Spans:
    """Spans to the collector; to nobody when there is none. Raises SettingsError."""
    if to is None:
        return Spans()
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return OtlpSpans(exporter(to), to.place, instance)
    except OSError as error:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_*: a certificate or key cannot be used ({error.strerror or error})"
        ) from None
