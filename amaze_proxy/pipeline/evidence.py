"""What is known of one call so far; becomes its one audit record."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.secrets import redact
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.request import CallKind
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.store.open_calls import Facts, facts_of

# Bytes of a body: whoever has no credential must not fill the store with 256 KiB for each call.
_STRANGERS_KEEP = 2048


def new_id(bytes_: int) -> str:
    """A random id in hex: 16 bytes for a trace or a decision, 8 for a span."""
    return secrets.token_hex(bytes_)


@dataclass(slots=True)
class Evidence:
    """Filled while the call walks the line. Times in milliseconds."""

    input: Capture
    output: Capture
    decision_id: str = field(default_factory=lambda: new_id(16))
    span_id: str = field(default_factory=lambda: new_id(8))
    ts: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    started: float = field(default_factory=time.perf_counter)
    agent_id: str = ""
    caller: str = ""  # who it says it is
    kind: CallKind = CallKind.UNKNOWN
    trace_id: str = ""
    parent_span_id: str = ""
    turn_id: str = ""
    session_id: str = ""
    target: str = ""
    provider: str = ""
    tool: str = ""
    model: str = ""
    method: str = ""
    path: str = ""
    status: int = 0
    ttft_ms: float = -1.0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_microusd: int = 0
    estimated: bool = False
    denied: bool = False
    denial_reason: str = ""
    alert: str = ""
    policy_version: int = 0
    graph_step: str = ""
    limits: str = ""
    would_deny: str = ""
    error: str = ""

    def elapsed_ms(self) -> float:
        return round((time.perf_counter() - self.started) * 1000, 3)

    def first_byte(self) -> None:
        """The first byte of the answer goes to the client now."""
        if self.ttft_ms < 0:
            self.ttft_ms = self.elapsed_ms()

    def facts(self, turn_id: str, trace_id: str, parent_span: str) -> str:
        """What the store is told at the admission, in case that this process dies."""
        return facts_of(
            Facts(
                self.ts,
                self.span_id,
                self.caller,
                self.kind.value,
                self.target,
                self.provider,
                self.tool,
                redact(self.model),
                self.method,
                redact(self.path),
                turn_id,
                trace_id,
                parent_span,
            )
        )

    def record(self) -> AuditRecord:
        """The record as it stands, not yet sealed."""
        most = None if self.agent_id else _STRANGERS_KEEP
        return AuditRecord(
            decision_id=self.decision_id,
            ts=self.ts,
            agent_id=self.agent_id or UNKNOWN_AGENT,
            caller=self.caller,
            kind=self.kind.value,
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_span_id=self.parent_span_id,
            turn_id=self.turn_id,
            session_id=self.session_id,
            target=self.target,
            provider=self.provider,
            tool=self.tool,
            model=redact(self.model),
            method=self.method,
            path=redact(self.path),
            status=self.status,
            latency_ms=self.elapsed_ms(),
            ttft_ms=self.ttft_ms,
            input=self.input.text(most),
            output=self.output.text(most),
            input_sha256=self.input.sha256,
            output_sha256=self.output.sha256,
            input_size=self.input.size,
            output_size=self.output.size,
            truncated=self.input.truncated(most) or self.output.truncated(most),
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            tokens_cached=self.tokens_cached,
            cost_microusd=self.cost_microusd,
            estimated=self.estimated,
            denied=self.denied,
            denial_reason=self.denial_reason,
            alert=self.alert,
            policy_version=self.policy_version,
            graph_step=self.graph_step,
            limits=self.limits,
            would_deny=self.would_deny,
            error=self.error,
        )
