"""Every call that a real store admits has exactly one record, whatever becomes of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Admission, Admitted, Link, Outcome, Settlement
from amaze_proxy.store.agents import Agent, AgentStatus
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.store.store import Store, open_store
from amaze_proxy.wire.upstream import BrokenResponse, Unreachable, UpstreamTimeout
from tests.patience import PATIENCE
from tests.pipeline.fakes import (
    AGENT,
    BEARER,
    OPEN,
    OPENAI,
    SHA256,
    STREAM,
    WEB,
    WRONG,
    Answered,
    Reply,
    World,
    chat,
    silent,
    streamed,
    whole,
)

POLICY = {**OPEN, "token_rate_limits": [{"window": "1h", "max_tokens": 1_000_000}]}
TOO_MUCH = chat(max_tokens=2_000_000)
FORBIDDEN = "https://other.example.com/"
MOMENTS = 14
"""At each of so many a client leaves, or an operator stops the agent: a call has fewer."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A real one, in which AGENT is approved and has POLICY."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    opened = await open_store(valkey.url, tmp_path / "journal", timeout=PATIENCE)
    await opened.agents.create(Agent(AGENT, AgentStatus.APPROVED, session_id="s1"), SHA256)
    await opened.policies.publish(AGENT, 1, "00", json.dumps(POLICY))
    yield opened
    await opened.close()
    valkey.stop()


@dataclass
class Counted:
    """The store's gate, which notes what it admits; the client may leave while it is asked."""

    store: Store
    admitted: list[str]
    world: World
    leaves_in: str = ""

    async def admit(self, admission: Admission) -> Admitted:
        self._asked("admit")
        given = await self.store.gate.admit(admission)
        if given.outcome is Outcome.ADMITTED and not admission.check_only:
            self.admitted.append(admission.decision_id)
        return given

    async def settle(self, settlement: Settlement) -> Link:
        self._asked("settle")
        return await self.store.gate.settle(settlement)

    def _asked(self, what: str) -> None:
        if self.leaves_in == what:
            self.leaves_in = ""
            asyncio.get_running_loop().call_soon(self.world.leave)


@dataclass
class Platform:
    """Calls of one agent, side by side, at one store."""

    store: Store
    admitted: list[str] = field(default_factory=list)
    calls: int = 0

    async def call(
        self,
        url: str,
        body: dict[str, object],
        reply: Reply,
        happens: Callable[[World, Counted], None] = lambda world, gate: None,
        credential: bytes = BEARER[1],
    ) -> Answered:
        self.calls += 1
        world = World()
        gate = Counted(self.store, self.admitted, world)
        world.line = replace(world.line, gate=gate, policies=PolicyCache(self.store.policies))
        world.app = create_app(world.line, world._health)
        world.upstreams.reply = reply
        happens(world, gate)
        return await world.call(url, body, headers=((BEARER[0], credential),))

    async def records(self) -> list[AuditRecord]:
        """All that there are, also those of strangers."""
        logs = (AGENT, UNKNOWN_AGENT)
        return [one for log in logs for one in await self.store.audit.recent(log, 10_000)]

    async def reserved(self) -> set[str]:
        """The decisions that the store itself remembers: what was admitted leaves a mark for a
        minute, also where the answer reached nobody."""
        keys = [key async for key in self.store.client.scan_iter(f"resv:{{{AGENT}}}:*", count=1000)]
        return {key.decode().rpartition(":")[2] for key in keys}


def leaves_at(moment: int) -> Callable[[World, Counted], None]:
    return lambda world, gate: setattr(world, "leave_at", moment)


def stopped_at(moment: int) -> Callable[[World, Counted], None]:
    return lambda world, gate: setattr(world, "stop_at", moment)


def leaves_in(asked: str) -> Callable[[World, Counted], None]:
    return lambda world, gate: setattr(gate, "leaves_in", asked)


REPLIES = {
    "whole": (chat(), whole()),
    "stream": (chat(stream=True), streamed()),
    "error": (chat(), whole(status=500)),
    "unreachable": (chat(), Reply(fault=Unreachable("refused"), dial=True)),
    "slow": (chat(), Reply(fault=UpstreamTimeout("idle"), dial=True)),
    "torn": (chat(stream=True), streamed(STREAM[:2], fault=BrokenResponse("reset"))),
    "ours": (chat(stream=True), streamed(STREAM[:2], fault=RuntimeError("ours"))),
}


def crowd(platform: Platform) -> Iterable[asyncio.Task[Answered]]:
    """Of every kind: what passes, fails, is refused here or by the store, is left or stopped."""
    asked = []
    for body, reply in REPLIES.values():
        happenings = [make(at) for make in (leaves_at, stopped_at) for at in range(MOMENTS)]
        happenings += [leaves_in("admit"), leaves_in("settle")]
        asked += [platform.call(OPENAI, body, reply, one) for one in happenings]
        asked += [platform.call(OPENAI, body, reply) for _ in range(3)]
    for _ in range(5):
        asked.append(platform.call(OPENAI, TOO_MUCH, whole()))
        asked.append(platform.call(FORBIDDEN, {}, whole()))
        asked.append(platform.call(OPENAI, {}, whole()))
        asked.append(platform.call(WEB, {}, whole()))
        asked.append(platform.call(OPENAI, chat(), whole(), credential=WRONG.encode()))
    return [asyncio.ensure_future(one) for one in asked]


async def test_each_admitted_call_has_one_record_and_each_call_too(store: Store) -> None:
    platform = Platform(store)
    with silent("amaze.proxy"):  # the fault of ours is told with its stack
        done = await asyncio.gather(*crowd(platform))
    records = Counter(one.decision_id for one in await platform.records())
    admitted = {*platform.admitted, *await platform.reserved()}
    assert set(records.values()) == {1}, "no call has two"
    assert admitted <= set(records), "no admitted call has none"
    assert records.total() == platform.calls, "nor any other"
    assert len(platform.admitted) == len(set(platform.admitted)) > platform.calls / 2
    told = [one.headers[b"x-amaze-decision-id"].decode() for one in done if one.status]
    assert len(told) == len(set(told))
    assert set(told) <= set(records)
    assert {
        *("", "rate-limit-exceeded", "host-not-allowed", "malformed-request", "invalid-bearer"),
        *("upstream-unreachable", "upstream-timeout"),
    } <= {one.reason for one in done if one.status}
    assert await store.open_calls.of(AGENT) == ([], []), "nothing stays reserved"
    assert await store.audit.verify(AGENT) == []
