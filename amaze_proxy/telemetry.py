"""OpenTelemetry: set-up, and the one place that spells span names and attributes.

The GenAI conventions are in development; what is written here follows
open-telemetry/semantic-conventions-genai as of schema 1.44, with `amaze.*` for our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from amaze_proxy.pipeline.line import Spans
from amaze_proxy.policy.record import AuditRecord

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_OPERATION = {"/v1/embeddings": "embeddings"}
_MS = 1_000_000  # nanoseconds


def span_name(record: AuditRecord) -> str:
    """`{operation} {model}` for a model call, `{method} {target}` for others."""
    if record.kind == "llm":
        return f"{_operation(record)} {record.model}".rstrip()
    return f"{record.method} {record.target}"


def _operation(record: AuditRecord) -> str:
    return _OPERATION.get(record.path, "chat")


def attributes(record: AuditRecord, provider: str) -> Mapping[str, str | int | float | bool]:
    """What a span says of a call: GenAI usage, HTTP facts, our decision. Never content."""
    host, _, port = record.target.partition(":")
    found: dict[str, str | int | float | bool] = {
        "http.request.method": record.method,
        "http.response.status_code": record.status,
        "server.address": host,
        "url.path": record.path,
        "gen_ai.agent.id": record.agent_id,
        "gen_ai.conversation.id": record.turn_id,
        "amaze.decision.id": record.decision_id,
        "amaze.decision.effect": "deny" if record.denied else "allow",
        "amaze.decision.reason": record.denial_reason,
        "amaze.policy.version": record.policy_version,
        "amaze.alert": record.alert,
        "amaze.would_deny": record.would_deny,
    }
    if port.isdigit():
        found["server.port"] = int(port)
    if record.kind == "llm":
        found |= {
            "gen_ai.operation.name": _operation(record),
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": record.model,
            "gen_ai.usage.input_tokens": record.tokens_in,
            "gen_ai.usage.output_tokens": record.tokens_out,
            "gen_ai.usage.cache_read.input_tokens": record.tokens_cached,
            "amaze.cost.microusd": record.cost_microusd,
        }
    if record.denied:
        found["error.type"] = "policy_denied"
    elif record.error:
        found["error.type"] = record.error.partition(":")[0]
    return {name: value for name, value in found.items() if value != ""}


class OtlpSpans(Spans):
    """Spans by OTLP in batches: bounded, dropped when the collector is away, never in the way."""

    def __init__(self, endpoint: str, protocol: str, instance: str) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._ids = _GivenIds()
        resource = Resource.create({"service.name": "amaze-proxy", "service.instance.id": instance})
        self._provider: TracerProvider = TracerProvider(
            resource=resource, id_generator=self._ids.generator, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint, protocol)))
        self._tracer = self._provider.get_tracer("amaze")

    def emit(self, record: AuditRecord, parent_span: str, provider: str) -> None:
        from opentelemetry import trace

        trace_id = int(record.trace_id or record.decision_id, 16)
        parent = int(parent_span or "0", 16)
        self._ids.next_span = int(record.span_id, 16)
        self._ids.next_trace = trace_id
        context = None
        if parent:
            given = trace.SpanContext(trace_id, parent, True, trace.TraceFlags(1))
            context = trace.set_span_in_context(trace.NonRecordingSpan(given))
        started = record.ts * _MS
        span = self._tracer.start_span(
            span_name(record),
            context,
            trace.SpanKind.CLIENT,
            attributes(record, provider),
            start_time=started,
        )
        if record.denied or record.error:
            span.set_status(trace.StatusCode.ERROR, record.denial_reason or record.error)
        span.end(started + int(record.latency_ms * _MS))

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._provider.force_flush(3000)
        self._provider.shutdown()


class _GivenIds:
    """Makes the SDK use the ids that the audit record already has."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace.id_generator import IdGenerator

        outer = self
        self.next_span = 0
        self.next_trace = 0

        class Given(IdGenerator):
            def generate_span_id(self) -> int:
                return outer.next_span

            def generate_trace_id(self) -> int:
                return outer.next_trace

        self.generator = Given()


def _exporter(endpoint: str, protocol: str) -> SpanExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")


def open_spans(endpoint: str, protocol: str, instance: str) -> Spans:
    """Spans to the collector of the settings; to nobody when there is none."""
    return OtlpSpans(endpoint, protocol, instance) if endpoint else Spans()
