"""The evidence of all agents together, and the console that it is part of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.console import OUTAGES, open_console
from amaze_proxy.control.evidence import Evidence
from amaze_proxy.history.bundle import History
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.store.store import Store


class Writer:
    """Puts records of agents into the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0

    async def agent(self, agent_id: str) -> None:
        await self._store.agents.create(Agent(agent_id))

    async def call(self, agent_id: str, ts: int) -> str:
        self._number += 1
        record = AuditRecord(f"d{self._number}", ts, agent_id, "llm")
        settlement = Settlement(record.decision_id, agent_id, record, charged=False)
        await self._store.gate.settle(settlement)
        return record.decision_id


@pytest.fixture
def writer(store: Store) -> Writer:
    return Writer(store)


async def _newest(store: Store, limit: int) -> list[str]:
    return [record.decision_id for record in await Evidence(store).newest(limit)]


async def test_without_calls_there_is_no_evidence(store: Store) -> None:
    assert await _newest(store, 10) == []


async def test_the_newest_of_everybody_come_first(store: Store, writer: Writer) -> None:
    await writer.agent("a")
    await writer.agent("b")
    made = [
        await writer.call("a", 10),
        await writer.call("b", 20),
        await writer.call(UNKNOWN_AGENT, 30),
        await writer.call("a", 40),
    ]
    assert await _newest(store, 10) == made[::-1]
    assert await _newest(store, 2) == made[:1:-1]


async def test_a_busy_agent_is_read_as_far_as_it_takes(store: Store, writer: Writer) -> None:
    for agent_id in ("busy", "quiet"):
        await writer.agent(agent_id)
    quiet = [await writer.call("quiet", ts) for ts in range(1, 21)]
    busy = [await writer.call("busy", ts) for ts in range(100, 140)]
    assert await _newest(store, 30) == busy[:9:-1]
    assert await _newest(store, 45) == busy[::-1] + quiet[:14:-1]
    assert await _newest(store, 500) == busy[::-1] + quiet[::-1]


async def test_following_tells_each_record_as_it_comes(store: Store, writer: Writer) -> None:
    await writer.agent("a")
    before = await writer.call("a", 1)
    told: list[str] = []

    async def listen() -> None:
        async for record in Evidence(store).follow(0):
            told.append(record.decision_id)
            if len(told) == 3:
                return

    async with asyncio.timeout(60):
        listening = asyncio.create_task(listen())
        made = [await writer.call("a", 2), await writer.call(UNKNOWN_AGENT, 3)]
        await listening
    assert sorted(told) == sorted([before, *made])


async def test_a_console_makes_what_an_operator_says_come_true(
    config: ControlConfig, history: History, store: Store, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/amaze.db"  # that of the fixture `history`
    async with open_console(config, valkey.url, url) as console:
        await console.services.agents.create("a", author="admin")
        await console.services.agents.quarantine("a")
        assert (await store.agents.get("a")).status == "quarantined"
        assert await console.evidence.newest(1) == ()


async def test_a_console_without_a_store_does_not_open(
    config: ControlConfig, tmp_path: Path
) -> None:
    with pytest.raises(OUTAGES):
        async with open_console(config, f"unix://{tmp_path}/no", f"sqlite:///{tmp_path}/x.db"):
            pass
