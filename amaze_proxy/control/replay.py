"""Calls judged again in the order of their time, with budgets and graphs counted as the store does.

The pure twin of the store's `admit` and `settle`: a call holds what it reserves until it ended,
then what it really used; a call that never ran stays with what it would have reserved. Counters
are empty at the beginning.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from amaze_proxy.control.recorded import Recorded
from amaze_proxy.policy.budget import Over, reserve
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Decision, Limit
from amaze_proxy.policy.graph import Advance, step
from amaze_proxy.policy.model import Policy, UnknownPrice
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.request import AccessRequest, LlmCall
from amaze_proxy.policy.usage import Charge, Measure, Usage

_BUCKETS = 60  # as the store's windows have


@dataclass(slots=True)
class _Turn:
    used: dict[Measure, int] = field(default_factory=lambda: defaultdict(int))
    step: int | None = None
    loops: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Window:
    length_ms: int
    buckets: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def bucket(self, now: int) -> int:
        return now * _BUCKETS // self.length_ms

    def used(self, now: int) -> int:
        first = self.bucket(now) - _BUCKETS
        for old in [number for number in self.buckets if number < first]:
            del self.buckets[old]
        return sum(self.buckets.values())


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what the call would hold if it ran."""

    decision: Decision
    usage: Usage
    held: Mapping[Measure, int]

    @property
    def reason(self) -> str:
        """Why it is denied; "" for an allowed call."""
        if self.decision.allowed:
            return ""
        return self.decision.reason.value if self.decision.reason else "internal-error"


@dataclass(order=True, slots=True)
class _Ending:
    """What a call gives back, or takes more, at its end."""

    at: int
    number: int
    turn_id: str = field(compare=False)
    change: Mapping[Measure, int] = field(compare=False)
    buckets: Mapping[str, int] = field(compare=False)
    limits: tuple[Limit, ...] = field(compare=False)


class Replay:
    """What one agent has used, under one policy (or one after the other)."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = defaultdict(_Turn)
        self._windows: dict[str, _Window] = {}
        self._endings: list[_Ending] = []
        self._number = 0

    def judge(self, record: AuditRecord, asked: Recorded, policy: Policy | None) -> Judged:
        """The verdict on a call at its time; it is not counted yet."""
        self._end_until(record.ts)
        charge = _charge(asked, policy)
        first, *others = (AccessRequest(record.agent_id, one) for one in asked.resources)
        decision = decide(first, policy)
        usage = self._usage(record, decision.obligations.limits)
        decision = decide(first, policy, usage, charge)
        for other in others:
            further = decide(other, policy)
            if decision.allowed and not further.allowed:
                decision = replace(further, obligations=decision.obligations)
        return Judged(decision, usage, _held(decision, usage, charge))

    def run(self, record: AuditRecord, judged: Judged) -> None:
        """The call runs: count it."""
        duty = judged.decision.obligations
        turn = self._turns[record.turn_id]
        buckets: dict[str, int] = {}
        for measure, amount in judged.held.items():
            turn.used[measure] += amount
        for limit in duty.limits:
            if limit.window_ms:
                window = self._windows[limit.name]
                buckets[limit.name] = window.bucket(record.ts)
                window.buckets[buckets[limit.name]] += judged.held.get(limit.measure, 0)
        if duty.graph is not None:
            taken = step(duty.graph, judged.usage)
            if isinstance(taken, Advance):
                turn.step, turn.loops[taken.step_id] = taken.step_id, taken.run
        if not record.denied:
            self._ends(record, judged.held, buckets, duty.limits)

    def _ends(
        self,
        record: AuditRecord,
        held: Mapping[Measure, int],
        buckets: Mapping[str, int],
        limits: tuple[Limit, ...],
    ) -> None:
        used = {Measure.TOKENS: record.tokens_in + record.tokens_out}
        used[Measure.COST] = record.cost_microusd
        change = {measure: amount - held.get(measure, 0) for measure, amount in used.items()}
        self._number += 1
        at = record.ts + int(record.latency_ms)
        ending = _Ending(at, self._number, record.turn_id, change, buckets, limits)
        heapq.heappush(self._endings, ending)

    def _end_until(self, now: int) -> None:
        while self._endings and self._endings[0].at <= now:
            ended = heapq.heappop(self._endings)
            turn = self._turns[ended.turn_id]
            for measure, amount in ended.change.items():
                turn.used[measure] = max(0, turn.used[measure] + amount)
            for limit in ended.limits:
                if limit.name in ended.buckets:
                    buckets = self._windows[limit.name].buckets
                    bucket = ended.buckets[limit.name]
                    amount = ended.change.get(limit.measure, 0)
                    buckets[bucket] = max(0, buckets[bucket] + amount)

    def _usage(self, record: AuditRecord, limits: tuple[Limit, ...]) -> Usage:
        turn = self._turns[record.turn_id]
        used: dict[str, int] = {}
        for limit in limits:
            if limit.window_ms:
                window = self._windows.setdefault(limit.name, _Window(limit.window_ms))
                used[limit.name] = window.used(record.ts)
            else:
                used[limit.name] = turn.used[limit.measure]
        return Usage(used, turn.step, dict(turn.loops))


def _charge(asked: Recorded, policy: Policy | None) -> Charge:
    """Where the policy lets models of unknown price pass, they cost nothing."""
    first = asked.resources[0]
    free = policy is not None and policy.unknown_price is UnknownPrice.ALLOW
    if free and isinstance(first, LlmCall) and not first.price_known:
        return replace(asked.charge, input_price=0, output_price=0)
    return asked.charge


def _held(decision: Decision, usage: Usage, charge: Charge) -> Mapping[Measure, int]:
    duty = decision.obligations
    held = reserve(duty, usage, charge)
    if isinstance(held, Over):  # denied: what it would hold if it were let pass all the same
        held = reserve(replace(duty, budget_blocks=False), usage, charge)
    if isinstance(held, Over):
        raise AssertionError("a limit that does not block refuses nothing")
    counted = {limit.measure for limit in duty.limits}
    calls = {
        Measure.TOOL_CALLS: held.tool_calls,
        Measure.AGENT_CALLS: held.agent_calls,
    }
    amounts = {
        measure: held.amount(measure) if measure in counted else number
        for measure, number in calls.items()
    }
    return {Measure.TOKENS: held.tokens, Measure.COST: held.cost_microusd, **amounts}
