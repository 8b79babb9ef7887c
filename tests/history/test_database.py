from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from amaze_proxy.history.bundle import History
from amaze_proxy.history.database import Database
from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.history.keys import ApiKey
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


async def test_another_process_that_holds_the_lock_makes_a_write_unavailable_and_reads_work(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await history.database.write(
        lambda session: session.connection().exec_driver_sql("PRAGMA busy_timeout=10").all()
    )
    other = sqlite3.connect(tmp_path / "amaze.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryUnavailable):
        await history.keys.put(ApiKey("d" * 64, "n", "admin", 1))
    await history.ping()
    other.rollback()
    other.close()
    assert await history.keys.put(ApiKey("d" * 64, "n", "admin", 1))
