from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, func, select

from amaze_proxy.history.accounts import Account
from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.history.bundle import History, open_history
from amaze_proxy.history.database import Database
from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.history.keys import ApiKey
from amaze_proxy.history.queries import EVERYTHING, Filter
from amaze_proxy.history.tables import ApiKeyRow


def _key(sha256: str) -> ApiKeyRow:
    return ApiKeyRow(sha256=sha256, name="n", role="admin", created_ms=1)


async def test_what_raises_is_rolled_back(history: History) -> None:
    def work(session: Session) -> None:
        session.add(_key("a" * 64))
        session.flush()
        raise LookupError

    with pytest.raises(LookupError):
        await history.database.write(work)
    assert await history.keys.find("a" * 64) is None


async def test_a_lost_race_is_tried_again(history: History) -> None:
    tries = []

    def work(session: Session) -> str:
        tries.append(1)
        if len(tries) < 3:
            raise IntegrityError("insert", {}, Exception("unique"))
        session.add(_key("b" * 64))
        return "done"

    assert await history.database.write(work) == "done"
    assert len(tries) == 3
    assert await history.keys.find("b" * 64) is not None


async def test_a_conflict_that_stays_is_unavailable_and_says_nothing_of_the_values(
    history: History,
) -> None:
    await history.keys.put(ApiKey("c" * 64, "n", "admin", 1))

    with pytest.raises(HistoryUnavailable) as raised:
        await history.database.write(lambda session: session.add(_key("c" * 64)))
    assert "c" * 64 not in str(raised.value)


async def test_a_lost_database_is_unavailable(tmp_path: Path) -> None:
    database = Database(make_engine(f"sqlite:///{tmp_path}/empty.db"))
    await database.ping()
    with pytest.raises(HistoryUnavailable):
        await database.read(lambda session: session.get(ApiKeyRow, "x"))
    await database.close()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
async def test_another_process_that_holds_the_file_makes_a_write_unavailable_and_reads_work(
    history: History, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.database.write(
        lambda session: session.connection().exec_driver_sql("PRAGMA busy_timeout=10").all()
    )
    other = sqlite3.connect(url.removeprefix("sqlite:///"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryUnavailable):
        await history.keys.put(ApiKey("d" * 64, "n", "admin", 1))
    await history.ping()
    other.rollback()
    other.close()
    assert await history.keys.put(ApiKey("d" * 64, "n", "admin", 1))


async def test_another_process_that_writes_is_waited_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amaze_proxy.history.engine.BUSY_TIMEOUT_MS", 10)
    monkeypatch.setattr("amaze_proxy.history.postgres.BUSY_TIMEOUT_MS", 10)
    one, other = await open_history(url), await open_history(url)
    held, free = threading.Event(), threading.Event()

    def hold(_session: Session) -> None:
        held.set()
        free.wait()

    holding = asyncio.create_task(one.database.write(hold))
    await asyncio.to_thread(held.wait)
    with pytest.raises(HistoryUnavailable):
        await other.keys.put(ApiKey("d" * 64, "n", "admin", 1))
    await other.ping()
    free.set()
    await holding
    assert await other.keys.put(ApiKey("d" * 64, "n", "admin", 1))
    await one.close()
    await other.close()


async def test_what_a_write_has_read_stays_true_until_it_commits(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = [await open_history(url) for _ in range(2)]
    admins = [Account(name, "admin", "hash", False, False, 1, 1) for name in ("ann", "bob")]
    for admin in admins:
        await histories[0].accounts.change(admin.name, lambda *_, new=admin: new)
    both = threading.Barrier(2)

    def resign(account: Account | None, others: int) -> Account | None:
        with suppress(threading.BrokenBarrierError):
            both.wait(0.1)  # two that may be in here at once are
        return None if others else account

    await asyncio.gather(
        *(one.accounts.change(who.name, resign) for one, who in zip(histories, admins, strict=True))
    )
    assert len(await histories[0].accounts.page("", 9)) == 1
    for one in histories:
        await one.close()


async def test_a_read_is_of_one_moment(history: History) -> None:
    read, written = threading.Event(), threading.Event()

    def work(session: Session) -> tuple[int, int]:
        count = select(func.count()).select_from(ApiKeyRow)
        before = session.exec(count).one()
        read.set()
        written.wait()
        return before, session.exec(count).one()

    reading = asyncio.create_task(history.database.read(work))
    await asyncio.to_thread(read.wait)
    await history.keys.put(ApiKey("e" * 64, "n", "admin", 1))
    written.set()
    assert await reading == (0, 0)


async def test_what_is_no_text_to_a_database_is_not_found(history: History) -> None:
    assert await history.agents.get("a\0") is None
    assert (await history.traces.page(EVERYTHING, Filter(tool="\0"), None, 5)).traces == ()


async def test_names_are_in_the_order_of_their_bytes(history: History) -> None:
    names = ["a", "a-b", "a.c", "ab", "b", "b-", "b1"]
    for name in reversed(names):
        record = AgentRecord(name, "approved", 1, 1)
        await history.agents.change(name, lambda _before, new=record: new)
    assert [one.agent_id for one in await history.agents.list()] == sorted(names)
    assert [one.agent_id for one in await history.agents.list(after="a-b", limit=3)] == [
        *("a.c", "ab", "b")
    ]
