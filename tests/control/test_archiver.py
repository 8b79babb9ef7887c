from __future__ import annotations

import asyncio

from sqlmodel import Session, col, select

from amaze_proxy.control.archiver import Archiver
from amaze_proxy.history.bundle import History
from amaze_proxy.history.tables import CallRow
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.store import Store


async def settle(store: Store, agent_id: str, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        record = AuditRecord(f"{agent_id}-{number}", number, agent_id, "http")
        await store.gate.settle(Settlement(record.decision_id, agent_id, record, charged=False))


async def decisions(history: History) -> list[str]:
    def work(session: Session) -> list[str]:
        return list(session.exec(select(CallRow.decision_id).order_by(col(CallRow.id))))

    return await history.database.read(work)


async def drain(archiver: Archiver) -> None:
    while await archiver.step():
        pass


async def test_every_record_is_moved_once_and_in_order(store, history, clock) -> None:
    for agent_id in ("a", "b"):
        await store.agents.create(Agent(agent_id))
        await settle(store, agent_id, 5)
    await settle(store, "_unknown", 2)
    await drain(Archiver(history, store, clock, 0.01))
    await settle(store, "a", 2, start=5)
    await drain(Archiver(history, store, clock, 0.01))  # as after a restart
    found = await decisions(history)
    assert sorted(found) == sorted(
        [f"a-{n}" for n in range(7)] + [f"b-{n}" for n in range(5)] + ["_unknown-0", "_unknown-1"]
    )
    assert [one for one in found if one.startswith("a-")] == [f"a-{n}" for n in range(7)]


async def test_two_archivers_at_once_do_no_harm(store, history, clock) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 40)
    await asyncio.gather(*(drain(Archiver(history, store, clock, 0.01)) for _ in range(2)))
    assert await decisions(history) == [f"a-{n}" for n in range(40)]


async def test_a_stream_is_cut_behind_the_archive_alone(store, history, clock) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 3)
    archiver = Archiver(history, store, clock, 0.01)  # its clock is far ahead of the store's
    await drain(archiver)
    await settle(store, "a", 2, start=3)
    await archiver.trim()
    left = [entry.record.decision_id for entry in await store.audit.read("a")]
    assert left == ["a-3", "a-4"]
    await drain(archiver)
    assert await decisions(history) == [f"a-{n}" for n in range(5)]


async def test_what_is_young_stays_in_its_stream(store, history) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 3)
    archiver = Archiver(history, store, lambda: 0, 0.01)
    await drain(archiver)
    await archiver.trim()
    assert len(await store.audit.read("a")) == 3
