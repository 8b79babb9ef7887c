"""Calls whose worker died are recorded, once, and those of living ones are left alone."""

from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.control.sweeper import SILENT_PASSES, Sweeper
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Admission, Settlement
from amaze_proxy.store.agents import Agent, AgentStatus
from amaze_proxy.store.presence import Presence, Watcher
from amaze_proxy.store.store import open_store
from tests.control.conftest import PATIENCE_S

SHA = "0" * 64


@pytest.fixture
async def worker(store, valkey, tmp_path):
    """A worker's store, beside that of the control process."""
    await store.agents.create(Agent("a", AgentStatus.APPROVED, session_id="s"), SHA)
    await store.policies.publish("a", 1, "00", "document")
    opened = await open_store(valkey.url, tmp_path / "journal", "w1", PATIENCE_S)
    yield opened
    await opened.close()


def admission(decision_id="d1"):
    return Admission(decision_id, "a", SHA, 1, "t1")


def settlement(decision_id="d1"):
    record = AuditRecord(decision_id, 1, "a", "llm")
    return Settlement(decision_id, "a", record, turn_id="t1")


async def told(store):
    return [(one.decision_id, one.error[:9]) for one in await store.audit.recent("a")]


def sweeper(history, store, directory=None):
    return Sweeper(history, store, Watcher(directory), every=5.0)


async def test_a_dead_workers_call_is_recorded_once(history, store, worker, tmp_path):
    presence = Presence(worker.open_calls, "w1", tmp_path / "journal")
    await presence.beat()
    await worker.gate.admit(admission())
    two = [sweeper(history, store, tmp_path / "journal") for _ in range(2)]
    assert [await one.step() for one in two] == [0, 0]
    presence.close()
    assert sum(await asyncio.gather(*(one.step() for one in two))) == 1
    assert sum(one.abandoned for one in two) == 1
    assert await told(store) == [("d1", "abandoned")]
    assert await store.open_calls.beats() == {}
    assert await two[0].step() == 0
    assert await store.audit.verify("a") == []


async def test_a_slow_call_of_a_living_worker_is_left_alone(history, store, worker, tmp_path):
    presence = Presence(worker.open_calls, "w1", tmp_path / "journal")
    await presence.beat()
    await worker.gate.admit(admission())
    sweeps = sweeper(history, store, tmp_path / "journal")
    for _ in range(3 * SILENT_PASSES):  # it is stopped: its beat stays as it is
        assert await sweeps.step() == 0
    await worker.gate.settle(settlement())
    presence.close()
    await sweeps.step()
    assert await told(store) == [("d1", "")]


async def test_a_worker_elsewhere_is_dead_when_its_beat_stays_away(history, store, worker):
    presence = Presence(worker.open_calls, "w1", None)
    await presence.beat()
    await worker.gate.admit(admission())
    sweeps = sweeper(history, store)
    for _ in range(SILENT_PASSES):
        assert await sweeps.step() == 0
    await presence.beat()
    for _ in range(SILENT_PASSES):
        assert await sweeps.step() == 0
    assert await sweeps.step() == 1
    await worker.gate.settle(settlement())  # it was not, after all
    assert await told(store) == [("late-d1", "decision "), ("d1", "abandoned")]
    assert await store.audit.verify("a") == []


async def test_calls_of_a_worker_that_never_showed_itself_are_found(history, store, worker):
    await worker.gate.admit(admission())
    sweeps = sweeper(history, store)
    written = [await sweeps.step() for _ in range(SILENT_PASSES + 3)]
    assert sum(written) == 1


async def test_a_call_that_has_a_record_gets_no_second_one(history, store, worker, tmp_path):
    (tmp_path / "journal").mkdir(exist_ok=True)
    await worker.gate.admit(admission())
    await history.archive.append("a", [], "0-0")
    kept = AuditRecord("d1", 1, "a", "llm", error="the store did not answer in time")
    sweeps = sweeper(history, store)

    class Records:
        async def get(self, decision_id):
            return kept if decision_id == "d1" else None

    sweeps._history = type("History", (), {"records": Records()})()
    for _ in range(SILENT_PASSES + 3):
        assert await sweeps.step() == 0
    assert (await store.open_calls.of("a"), await told(store)) == (([], []), [])


async def test_entries_that_make_no_sense_go(history, store, worker):
    await store.client.hset("open:{a}", "d1", "what?")
    await sweeper(history, store).step()
    assert await store.client.exists("open:{a}") == 0
