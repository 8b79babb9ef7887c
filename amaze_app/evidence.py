"""A call and its decision, as the detail of a trace shows it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaze_app import format, routes
from amaze_app.gateway.traces import AuditRecord, Limit, advice, verdict

BODY_FIRST = 32_000
"""Characters of a body that are shown before all of it is asked for."""


@dataclass(frozen=True)
class Fact:
    """A name and what it is; with an address, a link."""

    name: str
    value: str
    href: str = ""


@dataclass(frozen=True)
class LimitRow:
    """A limit before and after the call."""

    name: str
    before: str
    after: str
    left: str
    maximum: str


@dataclass(frozen=True)
class Body:
    """An input or output. `about` says its size and what is missing; `more`: there is more of it
    in the record than is shown here."""

    text: str = ""
    about: str = ""
    more: bool = False


@dataclass(frozen=True)
class Evidence:
    """What an unfolded row shows."""

    ts: int
    verdict: str
    reason: str
    rule: str
    advice: str
    version: str
    version_href: str
    facts: tuple[Fact, ...]
    limits: tuple[LimitRow, ...]
    input: Body
    output: Body


def evidence(record: AuditRecord, limits: Sequence[Limit], *, whole: bool) -> Evidence:
    """Of a call; `whole`: its bodies as far as they are recorded, else the first of them."""
    reason = record.denial_reason or record.would_deny or record.alert
    refused = record.denial_reason or record.would_deny
    rule, what_to_do = advice(refused, record.agent_id) if refused else ("", "")
    version = record.policy_version
    return Evidence(
        ts=record.ts,
        verdict=verdict(record),
        reason=reason,
        rule=rule,
        advice=what_to_do.replace("`", ""),
        version=f"version {version}" if version else "none",
        version_href=routes.policy_version(record.agent_id, version) if version else "",
        facts=tuple(one for one in _facts(record) if one.value),
        limits=tuple(map(_limit, limits)),
        input=_body(record.input, record.input_size, record, whole=whole),
        output=_body(record.output, record.output_size, record, whole=whole),
    )


def _facts(record: AuditRecord) -> tuple[Fact, ...]:
    first = format.duration(record.ttft_ms) if record.ttft_ms >= 0 else ""
    return (
        Fact("Agent", record.agent_id, routes.agent(record.agent_id)),
        Fact("Called by", record.caller),
        Fact("Target", record.target),
        Fact("Provider", record.provider),
        Fact("Tool", record.tool),
        Fact("Model", record.model),
        Fact("Request", f"{record.method} {record.path}".strip()),
        Fact("HTTP status", str(record.status or "")),
        Fact("Error", record.error),
        Fact("Alert", record.alert),
        Fact("Graph step", record.graph_step),
        Fact("Latency", format.duration(record.latency_ms or None)),
        Fact("First byte", first),
        Fact(
            "Tokens in / out", format.tokens(record.tokens_in, record.tokens_out, record.estimated)
        ),
        Fact("Cached tokens", format.count(record.tokens_cached) if record.tokens_cached else ""),
        Fact("Cost", format.cost(record.cost_microusd)),
        Fact("Turn", record.turn_id),
        Fact("Session", record.session_id),
        Fact("Span", record.span_id),
        Fact("Decision", record.decision_id),
        Fact("Record", f"{record.writer} {record.seq}" if record.writer else ""),
        Fact("Hash of the record", record.hash),
        Fact("SHA-256 of the input", record.input_sha256),
        Fact("SHA-256 of the output", record.output_sha256),
    )


def _limit(limit: Limit) -> LimitRow:
    shown = format.cost if limit.name.startswith("cost") else format.count
    return LimitRow(
        name=limit.name,
        before="–" if limit.before is None else shown(limit.before),
        after=shown(limit.used),
        left=shown(max(0, limit.maximum - limit.used)),
        maximum=shown(limit.maximum),
    )


def _body(text: str, size: int, record: AuditRecord, *, whole: bool) -> Body:
    if not text:
        return Body(about=f"{format.size(size)}, not recorded" if size else "empty")
    shown = text if whole else text[:BODY_FIRST]
    recorded = len(text.encode("utf-8", "replace"))
    about = format.size(max(size, recorded))
    if record.truncated and size > recorded:
        about += f", recorded: the first {format.size(recorded)}"
    return Body(shown, about, len(shown) < len(text))
