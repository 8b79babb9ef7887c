"""A trace as a sequence: who took part, and what went from whom to whom, in order. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from amaze_proxy.policy.record import AuditRecord

USER = "user"
_LANES = {"llm": "llm", "mcp": "mcp", "a2a": "agent", "http": "http", "admin": "control"}


@dataclass(frozen=True, slots=True)
class Participant:
    """A lane. `kind` is user, agent, llm, mcp, http, control or unknown; `id` is `kind:name`."""

    id: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit at a step. `before`: as the step before it in the same turn left it (None: it is the
    first); `used`: with this step."""

    name: str
    maximum: int
    before: int | None
    used: int


@dataclass(frozen=True, slots=True)
class Step:
    """A call. `parent` is the decision id of the call that it came of (None: of none that is
    here), `depth` how many such are above it; `came_from` and `went_to` are ids of lanes."""

    number: int
    came_from: str
    went_to: str
    label: str
    verdict: str
    parent: str | None
    depth: int
    limits: tuple[Limit, ...]
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class Edge:
    """All calls from one lane to another."""

    came_from: str
    went_to: str
    calls: int
    denied: int
    tokens: int
    cost_microusd: int


@dataclass(frozen=True, slots=True)
class Entrance:
    """A turn and where its message came from: a user, or a step (its decision id) of a peer."""

    turn_id: str
    came_from: str
    went_to: str
    started_ms: int
    parent: str | None


@dataclass(frozen=True, slots=True)
class Violation:
    """A reason that a step met. `effect` is denied, shadow (would have been denied) or alert."""

    number: int
    decision_id: str
    agent_id: str
    effect: str
    reason: str
    policy_version: int


@dataclass(frozen=True, slots=True)
class TraceSequence:
    """A trace, in the order of time."""

    participants: tuple[Participant, ...]
    turns: tuple[Entrance, ...]
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    violations: tuple[Violation, ...]


def sequence(records: Sequence[AuditRecord]) -> TraceSequence:
    """Of records that are in the order of time."""
    by_span: dict[str, AuditRecord] = {}
    for record in records:
        if record.span_id:
            by_span.setdefault(record.span_id, record)
    limits = _limits(records)
    steps = tuple(
        _step(number, record, by_span, limits[number - 1])
        for number, record in enumerate(records, 1)
    )
    turns = _turns(records, by_span)
    return TraceSequence(
        participants=_participants(steps, turns),
        turns=turns,
        steps=steps,
        edges=_edges(steps),
        violations=tuple(found for step in steps for found in _violations(step)),
    )


def verdict(record: AuditRecord) -> str:
    """What was decided, and whether it went well: denied, shadow, alert, error or allowed."""
    if record.denied:
        return "denied"
    if record.would_deny:
        return "shadow"
    if record.alert:
        return "alert"
    return "error" if record.error else "allowed"


def _step(
    number: int, record: AuditRecord, by_span: Mapping[str, AuditRecord], limits: tuple[Limit, ...]
) -> Step:
    parents = _parents(record, by_span)
    return Step(
        number=number,
        came_from=_agent(record.agent_id),
        went_to=_callee(record),
        label=record.tool or record.model or _request(record),
        verdict=verdict(record),
        parent=parents[0] if parents else None,
        depth=len(parents),
        limits=limits,
        record=record,
    )


def _request(record: AuditRecord) -> str:
    """The method of the protocol inside, which no path tells (`message/send`), or of HTTP."""
    inside = record.method and not record.method.isupper()
    return record.method if inside else f"{record.method} {record.path}".strip()


def _parents(record: AuditRecord, by_span: Mapping[str, AuditRecord]) -> list[str]:
    found: list[str] = []
    seen = {record.span_id}
    parent = by_span.get(record.parent_span_id)
    # A client names the span that its turn came of: it may name one that makes a circle.
    while parent is not None and parent.span_id not in seen:
        seen.add(parent.span_id)
        found.append(parent.decision_id)
        parent = by_span.get(parent.parent_span_id)
    return found


def _agent(agent_id: str) -> str:
    return f"agent:{agent_id}"


def _callee(record: AuditRecord) -> str:
    name = record.provider if record.kind == "llm" and record.provider else record.target
    return f"{_LANES.get(record.kind, 'unknown')}:{name or 'unknown'}"


def _turns(
    records: Iterable[AuditRecord], by_span: Mapping[str, AuditRecord]
) -> tuple[Entrance, ...]:
    found: dict[tuple[str, str], Entrance] = {}
    for record in records:
        key = (record.agent_id, record.turn_id)
        if not record.turn_id or key in found:
            continue
        parent = by_span.get(record.parent_span_id)
        came_from = USER if parent is None else _agent(parent.agent_id)
        found[key] = Entrance(
            turn_id=record.turn_id,
            came_from=came_from,
            went_to=_agent(record.agent_id),
            started_ms=record.ts,
            parent=None if parent is None else parent.decision_id,
        )
    return tuple(found.values())


def _participants(steps: Iterable[Step], turns: Iterable[Entrance]) -> tuple[Participant, ...]:
    """In the order in which they appear; a user first."""
    ends = [end for turn in turns for end in (turn.came_from, turn.went_to)]
    ends.sort(key=lambda end: end != USER)
    ends += [end for step in steps for end in (step.came_from, step.went_to)]
    found = []
    for one in dict.fromkeys(ends):
        kind, _, name = one.partition(":")
        found.append(Participant(one, kind, name or kind))
    return tuple(found)


def _edges(steps: Iterable[Step]) -> tuple[Edge, ...]:
    found: dict[tuple[str, str], Edge] = {}
    for step in steps:
        key, record = (step.came_from, step.went_to), step.record
        known = found.get(key, Edge(*key, 0, 0, 0, 0))
        found[key] = Edge(
            *key,
            calls=known.calls + 1,
            denied=known.denied + record.denied,
            tokens=known.tokens + record.tokens_in + record.tokens_out,
            cost_microusd=known.cost_microusd + record.cost_microusd,
        )
    return tuple(found.values())


def _violations(step: Step) -> list[Violation]:
    record = step.record
    told = [("denied", record.denial_reason), ("shadow", record.would_deny)]
    told += [("alert", reason) for reason in record.alert.split(",")]
    found: dict[str, Violation] = {}
    for effect, reason in told:
        if reason and reason not in found:
            found[reason] = Violation(
                number=step.number,
                decision_id=record.decision_id,
                agent_id=record.agent_id,
                effect=effect,
                reason=reason,
                policy_version=record.policy_version,
            )
    return list(found.values())


def _limits(records: Iterable[AuditRecord]) -> list[tuple[Limit, ...]]:
    left: dict[tuple[str, str, str], int] = {}
    found = []
    for record in records:
        limits = []
        for name, maximum, used in _read_limits(record.limits):
            key = (record.agent_id, record.turn_id, name)
            limits.append(Limit(name, maximum, left.get(key), used))
            left[key] = used
        found.append(tuple(limits))
    return found


def _read_limits(text: str) -> list[tuple[str, int, int]]:
    """See AuditRecord; what another version has written otherwise is left out."""
    try:
        body = json.loads(text or "[]")
        return [(str(name), int(maximum), int(used)) for name, maximum, used in body]
    except (ValueError, TypeError):
        return []
