"""The store's faults: nothing passes that was not decided, nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from amaze_proxy.store import client
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.connection import Connection, Endpoint
from amaze_proxy.store.errors import FunctionMissing, NothingRan, StoreUnavailable
from amaze_proxy.store.store import open_store
from amaze_proxy.store.wire import server_error
from tests.patience import PATIENCE


@pytest.fixture
async def fragile(own_server, script, tmp_path):
    """A store on a server that the test may break."""
    store = await open_store(own_server.url, tmp_path / "journal", timeout=PATIENCE)
    await script.enrol(store)
    yield store
    await store.close()


def journal_files(tmp_path):
    return list((tmp_path / "journal").glob("*.journal"))


def written(store, records):
    """Whether exactly these records are in the stream, in a chain without a flaw."""

    async def check():
        try:
            found = await store.audit.recent("alice", 10_000)
        except StoreUnavailable:
            return False
        whole = {record.hash for record in found} == {record.hash for record in records}
        assert len({record.hash for record in found}) == len(found)
        return whole and await store.audit.verify("alice") == []

    return check


def delivered(store):
    """Whether nothing waits in a journal."""

    async def check():
        return store.gate.journal_bytes == 0

    return check


async def settle_many(store, script, count):
    return await asyncio.gather(*(store.gate.settle(script.refusal()) for _ in range(count)))


async def admitted_again(store, script):
    try:
        return (await store.gate.admit(script.admission())).outcome is Outcome.ADMITTED
    except StoreUnavailable:
        return False


async def test_a_hung_server_denies_and_recovers_by_itself(
    own_server, script, tmp_path, until, monkeypatch
):
    monkeypatch.setattr(client, "TIMEOUT", PATIENCE)  # of what is no call, and not asked here
    store = await open_store(own_server.url, tmp_path / "journal")
    await script.enrol(store)
    await until(lambda: admitted_again(store, script))
    records = await settle_many(store, script, 2)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreUnavailable, match="in time"):
            await store.gate.admit(script.admission())
        records += await settle_many(store, script, 5)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    await until(written(store, records))
    await until(lambda: admitted_again(store, script))
    await store.close()


async def test_records_of_an_outage_are_replayed_once(fragile, own_server, script, until):
    records = await settle_many(fragile, script, 3)
    os.kill(own_server.pid, signal.SIGKILL)
    records += await settle_many(fragile, script, 100)
    with pytest.raises(StoreUnavailable):
        await fragile.gate.admit(script.admission())
    own_server.start()
    await until(written(fragile, records))
    records += await settle_many(fragile, script, 10)
    await until(written(fragile, records))


async def test_a_server_killed_under_load_loses_nothing(fragile, own_server, script, until):
    records = []

    async def work():
        for _ in range(60):
            record = await fragile.gate.settle(script.refusal())
            records.append(record)

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(work())
        for _ in range(3):
            await until(_more_than(records, len(records) + 40))
            os.kill(own_server.pid, signal.SIGKILL)
            own_server.start()
    assert len(records) == 480
    await until(written(fragile, records))


def _more_than(records, count):
    async def check():
        return len(records) >= min(count, 480)

    return check


async def test_a_full_server_takes_nothing_and_loses_nothing(fragile, script, until):
    asked = script.admission(limits=(script.tokens(100),), charge=script.llm(0, 10))
    await fragile.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="OOM"):
        await fragile.gate.admit(asked)
    records = await settle_many(fragile, script, 5)
    await fragile.client.config_set("maxmemory", 0)
    await until(written(fragile, records))
    assert (await fragile.gate.admit(asked)).limits[0].used == 10


async def test_a_read_only_replica_takes_nothing(fragile, script, until):
    await fragile.client.replicaof("127.0.0.1", 1)
    with pytest.raises(StoreUnavailable):
        await fragile.gate.admit(script.admission())
    records = await settle_many(fragile, script, 5)
    await fragile.client.replicaof("NO", "ONE")
    await until(written(fragile, records))


async def test_functions_come_back_to_a_server_that_lost_them(fragile, script):
    await fragile.client.execute_command("FUNCTION FLUSH")
    answers = await asyncio.gather(*(fragile.gate.admit(script.admission()) for _ in range(20)))
    assert {answer.outcome for answer in answers} == {Outcome.ADMITTED}
    await fragile.client.execute_command("FUNCTION FLUSH")
    assert len(await settle_many(fragile, script, 20)) == 20


async def test_a_server_restarted_empty_denies_until_it_is_filled(fragile, script):
    lost = await settle_many(fragile, script, 3)
    await fragile.client.flushall()
    await fragile.client.execute_command("FUNCTION FLUSH")
    assert (await fragile.gate.admit(script.admission())).outcome is Outcome.REFUSED
    kept = await settle_many(fragile, script, 3)
    assert [link.seq for link in lost + kept] == [1, 2, 3, 4, 5, 6]
    recorded = await fragile.audit.recent("alice")
    assert [record.hash for record in recorded] == [link.hash for link in kept[::-1]]


async def test_a_poisoned_agent_does_not_hold_up_the_others(fragile, script, until):
    await fragile.client.set("chain:{bob}", "no hash")
    stuck = replace(script.refusal(), agent_id="bob")
    assert (await fragile.gate.settle(stuck)).seq == 1
    records = await settle_many(fragile, script, 3)
    await until(written(fragile, records))
    await fragile.client.delete("chain:{bob}")

    async def arrived():
        return len(await fragile.audit.recent("bob")) == 1

    await until(arrived)


async def test_a_lost_reply_does_not_charge_twice(fragile, own_server, script, tmp_path):
    async with cutting_relay(own_server.socket_path, tmp_path / "relay.sock") as cut:
        caller = Connection(Endpoint(path=str(tmp_path / "relay.sock")), PATIENCE)
        real, fragile.hot.caller = fragile.hot.caller, caller
        asked = script.admission(limits=(script.tokens(100),), charge=script.llm(0, 60))
        cut.set()
        admitted = await fragile.gate.admit(asked)
        assert (admitted.outcome, admitted.limits[0].used) == (Outcome.ADMITTED, 60)
        fragile.hot.caller = real
        await caller.close()


@asynccontextmanager
async def cutting_relay(target, path):
    """A relay that, once told, passes one request on and hangs up instead of answering."""
    cut = asyncio.Event()
    writers = []

    async def relay(reader, writer):
        up_reader, up_writer = await asyncio.open_unix_connection(str(target))
        writers.extend((writer, up_writer))
        while data := await reader.read(65536):
            up_writer.write(data)
            answer = await up_reader.read(65536)
            if cut.is_set():
                cut.clear()
                break
            writer.write(answer)
        writer.close()
        up_writer.close()

    server = await asyncio.start_unix_server(relay, str(path))
    yield cut
    server.close()
    for writer in writers:
        writer.close()
    await server.wait_closed()


async def test_without_a_journal_a_lost_record_is_told_and_leaves_no_gap(own_server, script):
    store = await open_store(own_server.url, timeout=PATIENCE)
    await script.enrol(store)
    await store.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="no journal"):
        await store.gate.settle(script.refusal())
    await store.client.config_set("maxmemory", 0)
    assert (await store.gate.settle(script.refusal())).seq == 1
    assert await store.audit.verify("alice") == []
    await store.close()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("MISCONF Errors writing to the AOF file: No space left on device", NothingRan),
        ("OOM command not allowed when used memory > 'maxmemory'.", NothingRan),
        ("READONLY You can't write against a read only replica.", NothingRan),
        ("LOADING Valkey is loading the dataset in memory", NothingRan),
        ("ERR Function not found", FunctionMissing),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", StoreUnavailable),
        ("ERR OOM in the middle of a function", StoreUnavailable),
    ],
)
def test_what_an_error_says_of_the_command(said: str, kind: type[StoreUnavailable]) -> None:
    """Only where certainly nothing ran is the number of a record given out again."""
    assert type(server_error(said)) is kind


async def test_an_unwritable_journal_is_told_and_leaves_no_gap(
    fragile, own_server, script, tmp_path, until
):
    os.kill(own_server.pid, signal.SIGKILL)
    records = [await fragile.gate.settle(script.refusal())]
    journal = fragile.gate._replayer._own.journal
    real, journal._descriptor = journal._descriptor, os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(StoreUnavailable, match="journal cannot be written"):
        await fragile.gate.settle(script.refusal())
    os.close(journal._descriptor)
    journal._descriptor = real
    records += await settle_many(fragile, script, 2)
    own_server.start()
    await until(written(fragile, records))


async def test_a_removed_journal_directory_is_told(fragile, own_server, script, tmp_path):
    shutil.rmtree(tmp_path / "journal")
    os.kill(own_server.pid, signal.SIGKILL)
    with pytest.raises(StoreUnavailable, match="removed"):
        await fragile.gate.settle(script.refusal())


async def test_a_closed_gate_takes_nothing(own_server, script):
    store = await open_store(own_server.url, timeout=PATIENCE)
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.gate.settle(script.refusal())
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.gate.admit(script.admission())


async def test_closing_leaves_the_journal_for_the_next_process(own_server, script, tmp_path, until):
    first = await open_store(own_server.url, tmp_path / "journal", timeout=PATIENCE)
    await script.enrol(first)
    os.kill(own_server.pid, signal.SIGKILL)
    records = await settle_many(first, script, 5)
    await first.close()
    own_server.start()
    second = await open_store(own_server.url, tmp_path / "journal", timeout=PATIENCE)
    await until(written(second, records))
    await until(delivered(second))
    await second.close()
    assert journal_files(tmp_path) == []


SETTLER = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from amaze_proxy.policy.record import AuditRecord
    from amaze_proxy.store.admission import Settlement
    from amaze_proxy.store.store import open_store

    async def main():
        store = await open_store(sys.argv[1], Path(sys.argv[2]), timeout=float(sys.argv[3]))

        async def work(name):
            for n in range(10**6):
                record = AuditRecord(f"{name}-{n}", 0, "alice", "llm", denied=True)
                settlement = Settlement(record.decision_id, "alice", record, charged=False)
                sealed = await store.gate.settle(settlement)
                print(sealed.hash, flush=True)

        await asyncio.gather(*map(work, "abcdefgh"))

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("outage", [False, True])
async def test_kill_9_in_mid_settle_loses_nothing_acknowledged(
    own_server, script, tmp_path, until, outage
):
    process = subprocess.Popen(
        [sys.executable, "-c", SETTLER, own_server.url, str(tmp_path / "journal"), str(PATIENCE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    acknowledged = [process.stdout.readline() for _ in range(50)]
    if outage:
        os.kill(own_server.pid, signal.SIGKILL)
        acknowledged += [process.stdout.readline() for _ in range(200)]
    process.kill()
    acknowledged += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    if outage:
        own_server.start()
    hashes = {line.strip().decode() for line in acknowledged if line.endswith(b"\n")}
    assert len(hashes) >= (250 if outage else 50)
    store = await open_store(own_server.url, tmp_path / "journal", timeout=PATIENCE)

    async def all_there():
        return hashes <= {record.hash for record in await store.audit.recent("alice", 10**6)}

    await until(all_there)
    await until(delivered(store))
    assert await store.audit.verify("alice") == []
    await store.close()
    assert journal_files(tmp_path) == []


async def test_errors_and_what_waits_are_told(own_server, script, tmp_path, until):
    store = await open_store(own_server.url, tmp_path / "waiting", timeout=PATIENCE)
    try:
        await script.enrol(store)
        assert (store.gate.errors, store.gate.journal_bytes) == (0, 0)
        own_server.stop()
        with pytest.raises(StoreUnavailable):
            await store.gate.admit(script.admission())
        await store.gate.settle(script.refusal())
        assert store.gate.errors >= 2
        assert store.gate.journal_bytes > 0
        own_server.start()
        await until(delivered(store))
        assert len(await store.audit.recent("alice")) == 1
    finally:
        await store.close()
