"""What a draft of a policy would have done: the agent's archived calls, judged again under it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from amaze_proxy.control import policies
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import checked_id
from amaze_proxy.control.recorded import Reader, Undecidable
from amaze_proxy.control.replay import Judged, Replay
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import RowMissing
from amaze_proxy.history.registry import EntryKind
from amaze_proxy.history.replays import ReplayHistory
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Policy
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.request import CallKind
from amaze_proxy.policy.usage import Measure
from amaze_proxy.protocols.prices import PriceBook

MOST_CALLS = 20_000
"""How many calls are judged, the newest."""
MOST_FLIPS = 200
"""How many flips are told one by one."""

_HOUR_MS = 3_600_000
_PAGE = 100
# What no policy decides: such a call is refused whatever the draft says.
_NOT_OF_POLICY = frozenset(
    (
        *(Reason.INVALID_BEARER, Reason.AGENT_NOT_APPROVED, Reason.AGENT_QUARANTINED),
        *(Reason.MALFORMED_REQUEST, Reason.AUTHORITY_MISMATCH, Reason.REQUEST_TOO_LARGE),
        *(Reason.INVALID_TURN, Reason.REDIS_UNAVAILABLE, Reason.INTERNAL_ERROR),
    )
)
_NOT_RETRACED = (
    "the verdict then cannot be retraced: it hung on what is not recorded, such as calls before "
    "this period, or what was registered"
)


@dataclass(frozen=True, slots=True)
class Flip:
    """A call that the draft judges otherwise. `was` and `becomes` are reasons ("": allowed); what
    it used, or where it did not run, what it would have reserved."""

    decision_id: str
    trace_id: str
    ts: int
    kind: str
    target: str
    tool: str
    model: str
    was: str
    becomes: str
    message: str
    tokens: int
    cost_microusd: int


@dataclass(slots=True)
class Sum:
    """Calls with their tokens and money."""

    calls: int = 0
    tokens: int = 0
    cost_microusd: int = 0

    def add(self, flip: Flip) -> None:
        self.calls += 1
        self.tokens += flip.tokens
        self.cost_microusd += flip.cost_microusd


@dataclass(slots=True)
class Simulation:
    """The outcome. `cut`: there were more calls than are judged, the oldest are left out.
    `undecidable` counts calls by why nothing can be said of them."""

    since_ms: int
    cut: bool = False
    calls: int = 0
    unchanged: int = 0
    now_denied: Sum = field(default_factory=Sum)
    now_allowed: Sum = field(default_factory=Sum)
    undecidable: Counter[str] = field(default_factory=Counter)
    flips: list[Flip] = field(default_factory=list)


@dataclass(slots=True)
class Simulator:
    """`past` are the versions that the calls were judged by; `outcome` grows with each call."""

    draft: Policy
    past: Mapping[int, Policy]
    reader: Reader
    outcome: Simulation
    _then: Replay = field(default_factory=Replay)
    _now: Replay = field(default_factory=Replay)

    def feed(self, records: Sequence[AuditRecord]) -> None:
        """The next calls, in the order of their time."""
        for record in records:
            if record.kind != CallKind.ADMIN:
                self.outcome.calls += 1
                self._judge(record)

    def _judge(self, record: AuditRecord) -> None:
        if record.denied and record.denial_reason in _NOT_OF_POLICY:
            self.outcome.unchanged += 1
            return
        try:
            asked = self.reader.read(record)
        except Undecidable as error:
            self.outcome.undecidable[str(error)] += 1
            return
        then = self._then.judge(record, asked, self.past.get(record.policy_version))
        now = self._now.judge(record, asked, self.draft)
        if not record.denied:
            self._then.run(record, then)
        if now.decision.allowed:
            self._now.run(record, now)
        self._compare(record, then, now)

    def _compare(self, record: AuditRecord, then: Judged, now: Judged) -> None:
        outcome = self.outcome
        if then.reason != record.denial_reason:
            outcome.undecidable[_NOT_RETRACED] += 1
        elif now.decision.allowed is not record.denied:
            outcome.unchanged += 1
        else:
            flip = _flip(record, now)
            (outcome.now_allowed if record.denied else outcome.now_denied).add(flip)
            if len(outcome.flips) < MOST_FLIPS:
                outcome.flips.append(flip)


def _flip(record: AuditRecord, now: Judged) -> Flip:
    ran = not record.denied
    return Flip(
        decision_id=record.decision_id,
        trace_id=record.trace_id,
        ts=record.ts,
        kind=record.kind,
        target=record.target,
        tool=record.tool,
        model=record.model,
        was=record.denial_reason,
        becomes=now.reason,
        message=now.decision.message,
        tokens=record.tokens_in + record.tokens_out if ran else now.held[Measure.TOKENS],
        cost_microusd=record.cost_microusd if ran else now.held[Measure.COST],
    )


class Simulations:
    """Judges drafts, one at a time: each is seconds of work."""

    def __init__(self, history: History, prices: PriceBook, clock: Clock) -> None:
        self._history = history
        self._calls = ReplayHistory(history.database)
        self._prices = prices
        self._clock = clock
        self._turn = asyncio.Lock()

    async def run(self, agent_id: str, draft: Policy, hours: int) -> Simulation:
        """The calls of the last `hours`. Raises InvalidId, HistoryUnavailable."""
        since = self._clock() - hours * _HOUR_MS
        checked_id(agent_id)
        async with self._turn:
            begin, cut = await self._calls.begin(agent_id, since, MOST_CALLS)
            outcome = Simulation(since, cut)
            past: dict[int, Policy] = {}
            callers: dict[str, frozenset[str] | None] = {}
            reader = Reader(self._prices, await self._dialects(), callers)
            simulator = Simulator(draft, past, reader, outcome)
            while True:
                page = await self._calls.page(agent_id, begin, _PAGE)
                await self._load_past(agent_id, page.records, past)
                await self._load_callers(page.records, callers)
                await asyncio.to_thread(simulator.feed, page.records)
                if page.end is None:
                    return outcome
                begin = page.end

    async def _load_past(
        self, agent_id: str, records: Sequence[AuditRecord], past: dict[int, Policy]
    ) -> None:
        for number in {record.policy_version for record in records} - past.keys() - {0}:
            try:
                found = await self._history.policies.get(agent_id, number)
            except RowMissing:
                continue
            past[number] = policies.parse(found.document)

    async def _load_callers(
        self, records: Sequence[AuditRecord], callers: dict[str, frozenset[str] | None]
    ) -> None:
        callees = {record.target for record in records if record.kind == CallKind.A2A}
        for callee in callees - callers.keys():
            found = await self._history.policies.active(callee)
            listed = policies.parse(found.document).allowed_callers if found else None
            callers[callee] = None if listed is None else frozenset(listed)

    async def _dialects(self) -> Mapping[str, str]:
        hosts = await self._history.registry.page(EntryKind.LLM)
        return {host.name: host.dialect for host in hosts}
