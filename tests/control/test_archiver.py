from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlmodel import Session, col, select

from amaze_proxy.control.archiver import Archiver
from amaze_proxy.history.archive import ArchiveHistory
from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import HistoryLost, HistoryUnavailable
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal, to_json
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.store import Store, open_store
from tests.control.conftest import PATIENCE_S
from tests.postgres import ON_BOTH


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


@ON_BOTH
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


@ON_BOTH
async def test_two_archivers_at_once_do_no_harm(store, history, clock) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 40)
    await asyncio.gather(*(drain(Archiver(history, store, clock, 0.01)) for _ in range(2)))
    assert await decisions(history) == [f"a-{n}" for n in range(40)]


async def test_what_a_database_has_forgotten_is_archived_again(store, history, clock) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 2)
    archiver = Archiver(history, store, clock, 0.01)
    await drain(archiver)

    def forget(session: Session) -> None:
        for table in ("call", "archive_cursor", "archive_chain"):
            session.connection().exec_driver_sql(f"DELETE FROM {table}")

    await history.database.write(forget)
    await settle(store, "a", 1, start=2)
    with pytest.raises(HistoryLost):
        await archiver.step()
    await drain(archiver)
    assert await decisions(history) == ["a-0", "a-1", "a-2"]
    assert await history.archive.untold() == []


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


class Cut(Generator):
    """Runs a coroutine, and cancels it when it waits for the n-th time."""

    def __init__(self, coroutine, after: int) -> None:
        self._inner = coroutine.__await__()
        self._left = after
        self.was_cut = False

    def send(self, value):
        if self._left == 0:
            self.was_cut, self._left = True, -1
            return self._inner.throw(asyncio.CancelledError())
        self._left -= 1
        return self._inner.send(value)

    def throw(self, *error):
        return self._inner.throw(*error)

    def __await__(self):
        return self


async def run_cut(coroutine, after: int) -> bool:
    """Whether there was something to cut."""
    cut = Cut(coroutine, after)
    with suppress(asyncio.CancelledError):
        await cut
    return cut.was_cut


@ON_BOTH
async def test_an_archiver_that_is_killed_anywhere_loses_and_doubles_nothing(
    store, history, clock
) -> None:
    await store.agents.create(Agent("a"))
    await store.agents.create(Agent("b"))
    made, place, cuts = 0, 0, 0
    while True:
        await settle(store, "a", 2, start=made)
        await settle(store, "b", 1, start=made)
        await store.client.xadd("audit:{b}", {"r": f"junk {made}"})
        made += 2
        if not await run_cut(Archiver(history, store, clock, 0.01).step(), place):
            break
        place, cuts = place + 1, cuts + 1
    await drain(Archiver(history, store, clock, 0.01))
    await drain(Archiver(history, store, clock, 0.01))
    found = await decisions(history)
    assert cuts > 5
    assert [one for one in found if one.startswith("a-")] == [f"a-{n}" for n in range(made)]
    assert [one for one in found if one.startswith("b-")] == [f"b-{n}" for n in range(0, made, 2)]
    assert await history.archive.untold() == []
    told = {one for one in found if one.startswith("flaw-")}
    assert len(told) == cuts + 1


async def test_an_entry_that_is_no_record_stops_nothing_and_is_told(store, history, clock) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 2)
    entry = await store.client.xadd("audit:{a}", {"r": "who are you?"})
    await settle(store, "a", 1, start=2)
    await drain(Archiver(history, store, clock, 0.01))
    assert (await decisions(history))[:3] == ["a-0", "a-1", "a-2"]
    (alarm,) = [one.record for one in await history.archive.newest("a", 9) if one.record.alert]
    assert (alarm.kind, alarm.alert, alarm.agent_id) == ("admin", "chain-broken", "a")
    told = json.loads(alarm.input)
    assert (told["kind"], told["entry"], told["entry_id"]) == (
        "inserted",
        "who are you?",
        entry.decode(),
    )


TAMPERED = [
    (lambda rs: [rs[0], rs[2]], ["removed"], 2),
    (lambda rs: [rs[0], rs[2], rs[1]], ["reordered"], 3),
    (lambda rs: [rs[0], rs[1], rs[1], rs[2]], ["inserted"], 3),
    (lambda rs: [rs[0], replace(rs[1], denied=True), rs[2]], ["changed"], 3),
    (lambda rs: [rs[0], replace(rs[1], writer="x" * 600), rs[2]], ["inserted", "removed"], 2),
    (lambda rs: [*rs, seal(replace(rs[0], agent_id="b"), "w:b", 1, GENESIS)], ["inserted"], 4),
]


@pytest.mark.parametrize(("change", "kinds", "archived"), TAMPERED)
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_flaw_is_archived_and_told(
    store, valkey, history, clock, change, kinds, archived, at_once
) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 3)
    records = change([entry.record for entry in await store.audit.read("a")])
    await store.client.delete("audit:{a}")
    own = await open_store(valkey.url, timeout=PATIENCE_S)  # its alarms are a chain of their own
    archiver = Archiver(history, own, clock, 0.01)
    for record in records:
        await store.client.xadd("audit:{a}", {"r": to_json(record)})
        if not at_once:
            await archiver.step()
    await drain(archiver)
    await own.close()
    newest = [one.record for one in await history.archive.newest("a", 20)]
    alarms = [json.loads(one.input)["kind"] for one in newest if one.alert == "chain-broken"]
    assert len(newest) - len(alarms) == archived
    if at_once or kinds != ["reordered"]:
        assert sorted(alarms) == kinds
    else:  # when the one was missing nobody knew that it comes late
        assert sorted(alarms) == ["removed", "reordered"]


async def test_a_stream_that_cannot_be_archived_does_not_stop_the_others(
    store, history, clock, monkeypatch
) -> None:
    await store.agents.create(Agent("a"))
    await store.agents.create(Agent("b"))
    await settle(store, "a", 1)
    await settle(store, "b", 1)
    whole = ArchiveHistory.append

    async def refusing(self, agent_id, items, after):
        if agent_id == "a":
            raise HistoryUnavailable("full")
        return await whole(self, agent_id, items, after)

    archiver = Archiver(history, store, clock, 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(ArchiveHistory, "append", refusing)
        with pytest.raises(HistoryUnavailable):
            await archiver.step()
    assert await decisions(history) == ["b-0"]
    await drain(archiver)
    assert await decisions(history) == ["b-0", "a-0"]


async def test_the_lag_is_told_and_grows_while_the_store_is_away(
    own_store, own_valkey, history, clock, until
) -> None:
    archiver = Archiver(history, own_store, clock, 0.01)
    assert archiver.lag is None
    running = asyncio.create_task(archiver.run())

    async def has_run() -> bool:
        return archiver.lag is not None

    await until(has_run)
    own_valkey.stop()
    before = archiver.lag

    async def has_grown() -> bool:
        return archiver.lag > before + 1

    await until(has_grown)
    own_valkey.start()

    async def is_level() -> bool:
        return archiver.lag < 1

    await until(is_level)
    archiver.stop()
    async with asyncio.timeout(60):
        await running


async def test_what_fails_unexpectedly_is_tried_again(
    store, history, clock, until, monkeypatch
) -> None:
    await store.agents.create(Agent("a"))
    await settle(store, "a", 1)
    failures = iter([ValueError("unthought of")])
    whole = ArchiveHistory.cursors

    async def failing(self):
        for error in failures:
            raise error
        return await whole(self)

    monkeypatch.setattr(ArchiveHistory, "cursors", failing)
    archiver = Archiver(history, store, clock, 0.01)
    running = asyncio.create_task(archiver.run())

    async def is_there() -> bool:
        return await decisions(history) == ["a-0"]

    await until(is_there)
    archiver.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await decisions(history) == ["a-0"]
