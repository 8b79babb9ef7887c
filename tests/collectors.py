"""Collectors of spans: receivers made of OTLP's own definitions, and a real collector."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.patience import PATIENCE

ROTEL = next(
    iter(
        Path(__file__).parent.parent.glob(".tools/otel-venv/lib/*/site-packages/rotel/rotel-agent")
    ),
    Path("rotel-agent"),
)


@dataclass
class Received:
    """What a collector was sent. `hold` keeps the answers back until it is set."""

    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    hold: threading.Event | None = None

    def take(self, request: ExportTraceServiceRequest, headers: dict[str, str]) -> None:
        self.requests.append(request)
        self.headers.append(headers)
        if self.hold is not None:
            self.hold.wait()

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in tuple(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of(self, trace_id: str) -> list[Any]:
        """The spans of one trace, oldest first."""
        found = [span for span in self.spans if span.trace_id.hex() == trace_id]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


def said(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {
        one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes
    }


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Received]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            told = {name.lower(): value for name, value in self.headers.items()}
            received.take(ExportTraceServiceRequest.FromString(body), told)
            try:
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()
            except OSError:
                pass  # who waited has gone

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        scheme = "http" if tls is None else "https"
        received.url = f"{scheme}://localhost:{server.server_port}"
        try:
            yield received
        finally:
            if received.hold is not None:
                received.hold.set()
            server.shutdown()
            thread.join()


@contextmanager
def grpc_receiver() -> Iterator[Received]:
    received = Received()

    class Service(TraceServiceServicer):
        def Export(
            self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
        ) -> ExportTraceServiceResponse:
            received.take(request, dict(context.invocation_metadata()))
            return ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(Service(), server)
    received.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        if received.hold is not None:
            received.hold.set()
        server.stop(None).wait()


@dataclass(frozen=True)
class Collector:
    """A real collector, and what it passed on."""

    grpc_url: str
    http_url: str
    received: Received


@contextmanager
def collector() -> Iterator[Collector]:
    """rotel: takes OTLP over gRPC and HTTP, and passes it on to a receiver of ours."""
    held = [socket.socket() for _ in range(2)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    with http_receiver() as received:
        options = {
            "otlp-grpc-endpoint": f"127.0.0.1:{ports[0]}",
            "otlp-http-endpoint": f"127.0.0.1:{ports[1]}",
            "exporter": "otlp",
            "otlp-exporter-protocol": "http",
            "otlp-exporter-endpoint": received.url.replace("localhost", "127.0.0.1"),
            "otlp-exporter-request-timeout": f"{PATIENCE:.0f}s",
            "batch-timeout": "50ms",
        }
        argv = [part for name, value in options.items() for part in (f"--{name}", value)]
        process = subprocess.Popen(
            [ROTEL, "start", *argv],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: process.poll() is None and all(map(_listens, ports)), "the collector")
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            yield Collector(urls[0], urls[1], received)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], object], what: str, seconds: float = 2 * PATIENCE) -> None:
    """Wait for the condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)
