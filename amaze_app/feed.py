"""The newest calls, kept in memory without their bodies and followed as they come.

Pages read from here: however many tabs look on, each record is read from the store once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from amaze_app.gateway import Outage
from amaze_proxy.policy.record import AuditRecord

log = logging.getLogger(__name__)

KEPT = 200
"""How many calls of an agent, and of all together, are kept."""

_RINGS = 32  # agents whose calls are kept; the least recently looked at goes first
_OVERLAP_MS = 60_000  # the store's clock and ours differ by less
_PATIENCE_S = 1.0


class Source(Protocol):
    """Where the records come from."""

    async def newest(self, agent_id: str, limit: int) -> tuple[AuditRecord, ...]: ...
    def follow(self, since_ms: int) -> AsyncIterator[AuditRecord]: ...


@dataclass(frozen=True, slots=True)
class Call:
    """A record as a page shows it; units as in AuditRecord."""

    key: str
    ts: int
    agent_id: str
    kind: str
    target: str
    what: str
    status: int
    denied: bool
    reason: str
    would_deny: str
    alert: str
    error: str
    tokens_in: int
    tokens_out: int
    estimated: bool
    cost_microusd: int
    latency_ms: float
    decision_id: str

    @property
    def identified(self) -> bool:
        """Whether it was an agent's; a stranger's is recorded under a name that is no id."""
        return not self.agent_id.startswith("_")


class Ring:
    """The newest calls of somebody."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}

    def add(self, call: Call) -> None:
        """Takes a call in; one that is there already changes nothing."""
        self._calls.setdefault(call.key, call)
        if len(self._calls) >= 2 * KEPT:
            self._calls = {one.key: one for one in self.newest()}

    def newest(self) -> list[Call]:
        """At most KEPT, newest first."""
        return sorted(self._calls.values(), key=lambda call: (-call.ts, call.key))[:KEPT]


class Feed:
    """The rings, filled by `run`. `version` grows whenever what is shown would differ."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._rings: dict[str, Ring] = {}
        self._changed = asyncio.Event()
        self.version = 0
        self.trouble = ""

    async def calls(self, agent_id: str = "") -> list[Call]:
        """The newest calls of an agent ("": of all), newest first. Raises Outage, Refused."""
        ring = self._rings.pop(agent_id, None)
        if ring is None:
            ring = Ring()
            self._keep(agent_id, ring)  # before reading: what comes meanwhile must not be missed
            try:
                for record in await self._source.newest(agent_id, KEPT):
                    ring.add(_call(record))
            except BaseException:
                self._rings.pop(agent_id, None)
                raise
        else:
            self._rings[agent_id] = ring
        return ring.newest()

    async def changed(self, patience: float) -> None:
        """Returns at the next change, or after `patience` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._changed.wait()
        self._changed.clear()

    async def run(self) -> None:
        """Follows the store for ever; while it does not answer, `trouble` says so."""
        while True:
            since = int(self._clock() * 1000) - _OVERLAP_MS
            # what was kept may have gaps by now, and is read anew when it is looked at
            self._rings.clear()
            try:
                await self._source.newest("", 1)  # following says nothing until a call comes
                self._tell("")
                async for record in self._source.follow(since):
                    self._take(record)
            except Outage as error:
                log.warning("the calls cannot be followed: %s", error)
                self._tell(f"Not live: {error}")
            except Exception:  # pages that stand still while they say that they are live are worse
                log.exception("following the calls failed")
                self._tell("Not live: see the log of the UI")
            await asyncio.sleep(_PATIENCE_S)

    def _take(self, record: AuditRecord) -> None:
        call = _call(record)
        for name in ("", record.agent_id):
            if name in self._rings:
                self._rings[name].add(call)
        self._bump()

    def _keep(self, agent_id: str, ring: Ring) -> None:
        if len(self._rings) >= _RINGS:
            self._rings.pop(next(iter(self._rings)))
        self._rings[agent_id] = ring

    def _tell(self, trouble: str) -> None:
        self.trouble = trouble
        self._bump()

    def _bump(self) -> None:
        self.version += 1
        self._changed.set()


def _call(record: AuditRecord) -> Call:
    return Call(
        key=f"{record.agent_id}/{record.writer}/{record.seq}",
        ts=record.ts,
        agent_id=record.agent_id,
        kind=record.kind,
        target=record.target,
        what=record.tool or record.model or f"{record.method} {record.path}".strip(),
        status=record.status,
        denied=record.denied,
        reason=record.denial_reason,
        would_deny=record.would_deny,
        alert=record.alert,
        error=record.error,
        tokens_in=record.tokens_in,
        tokens_out=record.tokens_out,
        estimated=record.estimated,
        cost_microusd=record.cost_microusd,
        latency_ms=record.latency_ms,
        decision_id=record.decision_id,
    )
