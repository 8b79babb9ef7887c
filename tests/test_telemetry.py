"""Spans on their way to a collector: the record's own ids, bounded, counted, in nobody's way."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from amaze_proxy import telemetry
from amaze_proxy.otlp import Otlp, Protocol
from amaze_proxy.pipeline.line import Spans
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.settings import SettingsError
from amaze_proxy.telemetry import MOST_WAITING, OtlpSpans, open_spans
from amaze_proxy.wire.ca import load_or_create_ca
from amaze_proxy.wire.leaves import LeafCache
from tests.collectors import Received, collector, grpc_receiver, http_receiver, said, until
from tests.patience import PATIENCE
from tests.test_conventions import record

TRACE, SPAN, PARENT = "a" * 32, "b" * 16, "c" * 16
RECEIVERS = {Protocol.HTTP: http_receiver, Protocol.GRPC: grpc_receiver}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector is there: it is waited for."""
    monkeypatch.setattr(telemetry, "_CLOSE_S", PATIENCE)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """The levels of others' loggers are those of the process."""
    loggers = [logging.getLogger(name) for name in telemetry._CHATTY]
    levels = [one.level for one in loggers]
    yield
    for one, level in zip(loggers, levels, strict=True):
        one.setLevel(level)


@pytest.fixture(params=list(Protocol))
def receiver(request: pytest.FixtureRequest) -> Iterator[tuple[Otlp, Received]]:
    with RECEIVERS[request.param]() as received:
        path = "/v1/traces" if request.param is Protocol.HTTP else ""
        url = received.url + path
        yield Otlp(url, request.param, {"x-tenant": "one"}, timeout_s=10 * PATIENCE), received


def opened(to: Otlp) -> OtlpSpans:
    spans = open_spans(to, "i1")
    assert isinstance(spans, OtlpSpans)
    return spans


def check(received: Received) -> None:
    allowed, denied, failed = received.spans
    assert (allowed.trace_id.hex(), allowed.span_id.hex()) == (TRACE, SPAN)
    assert allowed.parent_span_id.hex() == PARENT
    assert (allowed.name, allowed.kind) == ("chat gpt-4.1-mini", 3)
    assert said(allowed)["gen_ai.provider.name"] == "openai"
    assert allowed.end_time_unix_nano - allowed.start_time_unix_nano == 12_500_000
    assert allowed.start_time_unix_nano == 1_700_000_000_000 * 1_000_000
    assert allowed.status.code == 0
    assert not allowed.links
    assert (denied.trace_id.hex(), denied.parent_span_id) == (TRACE, b"")
    assert (denied.status.code, denied.status.message) == (2, "not-allowed")
    (link,) = denied.links
    assert (link.trace_id.hex(), link.span_id.hex()) == ("1" * 32, "2" * 16)
    assert failed.trace_id.hex() == "d" * 32, "one that has no trace is its own"
    assert failed.status.message == "client went away"
    assert failed.kind == 1
    resource = received.requests[0].resource_spans[0]
    told = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("amaze-proxy", "i1")


def emit(spans: Spans) -> None:
    spans.emit(record(parent_span_id=PARENT))
    refused = record(span_id="e" * 16, denied=True, denial_reason="not-allowed")
    spans.emit(refused, TraceContext("1" * 32, "2" * 16))
    spans.emit(record(kind="admin", trace_id="", span_id="f" * 16, error="client went away"))


def test_spans_arrive_as_they_were_recorded(receiver: tuple[Otlp, Received]) -> None:
    to, received = receiver
    spans = opened(to)
    emit(spans)
    spans.close()
    check(received)
    assert received.headers[0]["x-tenant"] == "one"
    assert (spans.exported, spans.dropped) == (3, 0)


def test_a_real_collector_takes_them_over_both() -> None:
    with collector() as real:
        for to in (
            Otlp(real.grpc_url, Protocol.GRPC, timeout_s=PATIENCE),
            Otlp(f"{real.http_url}/v1/traces", Protocol.HTTP, timeout_s=PATIENCE),
        ):
            real.received.requests.clear()
            spans = opened(to)
            emit(spans)
            spans.close()
            until(lambda: len(real.received.spans) == 3, "what the collector passed on")
            check(real.received)


def test_a_collector_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    authority = load_or_create_ca(tmp_path)
    tls = LeafCache(authority).context_for("localhost")
    with http_receiver(tls) as received:
        url = f"{received.url}/v1/traces"
        trusting = Otlp(url, certificate=tmp_path / "ca.pem", timeout_s=PATIENCE)
        spans = opened(trusting)
        emit(spans)
        spans.close()
        check(received)


def test_what_is_emitted_is_sent_without_waiting_for_the_end(
    receiver: tuple[Otlp, Received], monkeypatch: pytest.MonkeyPatch
) -> None:
    to, received = receiver
    monkeypatch.setattr(telemetry, "_EVERY_S", 0.01)
    spans = opened(to)
    spans.emit(record())
    until(lambda: spans.exported == 1, "it to be sent")
    assert len(received.spans) == 1
    spans.close()


def test_a_collector_that_refuses_connections(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        to = Otlp(f"http://127.0.0.1:{sock.getsockname()[1]}/v1/traces", timeout_s=0.05)
        spans = opened(to)
        emit(spans)
        spans.close()
    assert (spans.exported, spans.dropped) == (0, 3)
    (line,) = [one for one in caplog.records if one.name == "amaze.proxy"]
    assert to.place in line.message


def test_a_collector_that_never_answers_holds_up_nobody(
    receiver: tuple[Otlp, Received], monkeypatch: pytest.MonkeyPatch
) -> None:
    to, received = receiver
    received.hold = threading.Event()
    monkeypatch.setattr(telemetry, "_EVERY_S", 0.01)
    monkeypatch.setattr(telemetry, "_CLOSE_S", 0.05)
    spans = opened(to)
    spans.emit(record())
    until(lambda: received.requests, "the collector to have it")
    for _ in range(MOST_WAITING + 7):
        spans.emit(record())
    assert spans.dropped == 7, "the queue is full, and what is too much is counted"
    closing = threading.Thread(target=spans.close, daemon=True)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive(), "although the collector still says nothing"
    received.hold.set()
    until(lambda: spans.dropped + spans.exported == MOST_WAITING + 8, "each to be counted")
    assert spans.dropped >= MOST_WAITING


class Exporter(SpanExporter):
    """Answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.sizes: list[int] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.sizes.append(len(spans))
        answer = self.answers.pop(0) if self.answers else SpanExportResult.SUCCESS
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, SpanExportResult)
        return answer


def test_an_outage_is_told_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "amaze.proxy")
    monkeypatch.setattr(telemetry, "_EVERY_S", 0.005)
    exporter = Exporter()
    exporter.answers = [SpanExportResult.FAILURE, ValueError("hidden"), SpanExportResult.FAILURE]
    spans = OtlpSpans(exporter, "collector:4317", "i1")
    for number in range(1, 5):
        spans.emit(record())
        until(lambda: spans.exported + spans.dropped == number, "it to be tried")  # noqa: B023
    spans.close()
    assert (spans.exported, spans.dropped) == (1, 3)
    told = [one.getMessage() for one in caplog.records if one.name == "amaze.proxy"]
    assert len(told) == 2
    assert "do not reach the collector at collector:4317" in told[0]
    assert "3 were lost" in told[1]
    assert "hidden" not in caplog.text


def test_much_is_sent_in_batches() -> None:
    exporter = Exporter()
    spans = OtlpSpans(exporter, "collector", "i1")
    for _ in range(300):
        spans.emit(record())
    spans.close()
    assert sum(exporter.sizes) == spans.exported == 300
    assert max(exporter.sizes) <= 128


def test_an_attribute_is_no_longer_than_a_page(receiver: tuple[Otlp, Received]) -> None:
    to, received = receiver
    spans = opened(to)
    spans.emit(record(path="/" + "x" * 5000))
    spans.close()
    assert len(said(received.spans[0])["url.path"]) == 1024


def test_without_a_collector_nobody_is_told() -> None:
    spans = open_spans(None, "i1")
    assert type(spans) is Spans
    emit(spans)


def test_a_certificate_that_cannot_be_used_is_a_bad_setting(tmp_path: Path) -> None:
    gone = Otlp("https://collector", Protocol.GRPC, certificate=tmp_path / "gone.pem")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP"):
        open_spans(gone, "i1")
