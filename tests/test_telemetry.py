"""Spans: names and attributes of the conventions, the record's own ids, never content."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from amaze_proxy.pipeline.line import Spans
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.telemetry import OtlpSpans, attributes, open_spans, span_name

TRACE, SPAN, PARENT = "a" * 32, "b" * 16, "c" * 16


def record(**more: Any) -> AuditRecord:
    values: dict[str, Any] = {
        "decision_id": "d" * 32,
        "ts": 1_700_000_000_000,
        "agent_id": "agent-1",
        "kind": "llm",
        "trace_id": TRACE,
        "span_id": SPAN,
        "turn_id": "turn-1",
        "target": "api.openai.com",
        "model": "gpt-4.1-mini",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "latency_ms": 12.5,
        "input": "the question",
        "output": "the answer",
        "tokens_in": 10,
        "tokens_out": 5,
        "tokens_cached": 2,
        "cost_microusd": 7,
        "policy_version": 3,
        **more,
    }
    return AuditRecord(**values)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (record(), "chat gpt-4.1-mini"),
        (record(path="/v1/embeddings", model="e"), "embeddings e"),
        (record(model=""), "chat"),
        (record(kind="http", method="GET", target="a.example:81"), "GET a.example:81"),
    ],
)
def test_names(told: AuditRecord, name: str) -> None:
    assert span_name(told) == name


def test_a_model_call() -> None:
    assert attributes(record(), "openai") == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "api.openai.com",
        "url.path": "/v1/chat/completions",
        "gen_ai.agent.id": "agent-1",
        "gen_ai.conversation.id": "turn-1",
        "amaze.decision.id": "d" * 32,
        "amaze.decision.effect": "allow",
        "amaze.policy.version": 3,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4.1-mini",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "amaze.cost.microusd": 7,
    }


def test_any_other_call() -> None:
    told = attributes(record(kind="http", target="a.example:81"), "")
    assert (told["server.address"], told["server.port"]) == ("a.example", 81)
    assert not [name for name in told if name.startswith("gen_ai.usage")]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"denied": True, "denial_reason": "llm-not-allowed"}, "policy_denied"),
        ({"error": "upstream-timeout: slow"}, "upstream-timeout"),
        ({}, None),
    ],
)
def test_errors(more: dict[str, Any], error: str | None) -> None:
    told = attributes(record(**more), "openai")
    assert told.get("error.type") == error
    assert told["amaze.decision.effect"] == ("deny" if more.get("denied") else "allow")


def test_never_content() -> None:
    told = str(attributes(record(), "openai"))
    assert "the question" not in told
    assert "the answer" not in told


class Collector:
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.url = ""

    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def http_collector() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        collector.url = f"http://127.0.0.1:{server.server_port}/"
        yield collector
        server.shutdown()
        thread.join()


@pytest.fixture
def grpc_collector() -> Iterator[Collector]:
    collector = Collector()

    class Service(TraceServiceServicer):
        def Export(
            self, request: ExportTraceServiceRequest, context: object
        ) -> ExportTraceServiceResponse:
            collector.requests.append(request)
            return ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    collector.url = f"http://127.0.0.1:{port}"
    yield collector
    server.stop(None).wait()


def emit(spans: Spans) -> None:
    spans.emit(record(), PARENT, "openai")
    spans.emit(record(span_id="e" * 16, denied=True, denial_reason="not-allowed"), "", "openai")
    spans.emit(record(trace_id="", span_id="f" * 16, error="client went away"), "", "openai")


def check(collector: Collector) -> None:
    allowed, denied, failed = collector.spans()
    assert (allowed.trace_id.hex(), allowed.span_id.hex()) == (TRACE, SPAN)
    assert allowed.parent_span_id.hex() == PARENT
    assert allowed.name == "chat gpt-4.1-mini"
    assert allowed.end_time_unix_nano - allowed.start_time_unix_nano == 12_500_000
    assert allowed.start_time_unix_nano == 1_700_000_000_000 * 1_000_000
    assert allowed.status.code == 0
    assert (denied.trace_id.hex(), denied.parent_span_id) == (TRACE, b"")
    assert (denied.status.code, denied.status.message) == (2, "not-allowed")
    assert failed.trace_id.hex() == "d" * 32, "one that has no trace is its own"
    assert failed.status.message == "client went away"
    resource = collector.requests[0].resource_spans[0].resource
    told = {a.key: a.value.string_value for a in resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("amaze-proxy", "i1")


def test_over_http(http_collector: Collector) -> None:
    spans = open_spans(http_collector.url, "http/protobuf", "i1")
    assert isinstance(spans, OtlpSpans)
    emit(spans)
    spans.close()
    check(http_collector)


def test_over_grpc(grpc_collector: Collector) -> None:
    spans = open_spans(grpc_collector.url, "grpc", "i1")
    assert isinstance(spans, OtlpSpans)
    emit(spans)
    spans.close()
    check(grpc_collector)


def test_without_a_collector_nobody_is_told() -> None:
    spans = open_spans("", "grpc", "i1")
    assert type(spans) is Spans
    emit(spans)
