"""Every call is counted once, where it ends: allowed, refused, only counted, or broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.gatekeeper import Gatekeeper
from amaze_proxy.pipeline.line import Meters
from amaze_proxy.pipeline.strangers import Strangers
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.ingress import Fault, FaultKind
from tests.pipeline.fakes import BEARER, JSON, OPENAI, World
from tests.pipeline.test_gatekeeper import TARGET

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}


class Kept(Meters):
    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def ended(self, record: AuditRecord) -> None:
        self.records.append(record)

    @property
    def told(self) -> list[tuple[str, bool, str]]:
        return [(one.kind, one.denied, one.denial_reason) for one in self.records]


@pytest.fixture
def kept(world: World) -> Kept:
    kept = Kept()
    world.line = replace(world.line, meters=kept, strangers=Strangers(burst=1, per_second=0))
    world.app = create_app(world.line, world._health)
    return kept


async def test_calls(world: World, kept: Kept) -> None:
    await world.call(OPENAI, CHAT, headers=(BEARER, JSON))
    await world.call("https://nobody.example/", CHAT, headers=(BEARER, JSON))
    assert kept.told == [("llm", False, ""), ("http", True, "host-not-allowed")]
    assert [one.decision_id for one in kept.records] == [
        one.record.decision_id for one in world.gate.settlements
    ]


async def test_strangers_that_are_not_recorded(world: World, kept: Kept) -> None:
    for _ in range(3):
        await world.call(OPENAI, CHAT, headers=(JSON,))
        await Gatekeeper(world.line).connect(TARGET, None, "127.0.0.1:1")
    assert [reason for _, _, reason in kept.told] == ["invalid-bearer"] * 6
    assert len(world.gate.settlements) == 1
    assert world.line.strangers.unrecorded == 5


async def test_broken_bytes(world: World, kept: Kept) -> None:
    fault = Fault(FaultKind.NOT_HTTP, "no HTTP", 400, TARGET, None, "127.0.0.1:1", b"\x00")
    await Gatekeeper(world.line).fault(fault)
    assert kept.told == [("unknown", True, "malformed-request")]


async def test_one_that_neither_store_nor_journal_took(world: World, kept: Kept) -> None:
    world.gate.settle_fault = StoreUnavailable("away")
    await world.call(OPENAI, CHAT, headers=(BEARER, JSON))
    assert len(kept.records) == 1
