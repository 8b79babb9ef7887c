from __future__ import annotations

import stat
from pathlib import Path

import pytest

from amaze_proxy.history.engine import WRITES, make_engine
from amaze_proxy.history.errors import HistoryMisconfigured, HistoryUnavailable


def test_sqlite_is_durable_and_checks_references(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/deep/amaze.db")
    with engine.connect() as connection:
        answers = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    engine.dispose()
    assert answers == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 2,
        "busy_timeout": 5000,
    }


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    make_engine(f"sqlite:///{tmp_path}/amaze.db").dispose()
    assert stat.S_IMODE((tmp_path / "amaze.db").stat().st_mode) == 0o600


def test_a_writing_transaction_takes_the_lock_at_once(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/amaze.db")
    with (
        engine.connect().execution_options(**{WRITES: True}) as writer,
        engine.connect() as other,
    ):
        writer.exec_driver_sql("SELECT 1")
        other.exec_driver_sql("PRAGMA busy_timeout=0")
        other.rollback()
        with pytest.raises(Exception, match="locked"):
            other.exec_driver_sql("CREATE TABLE t (x)")
    engine.dispose()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://u:geheim@h/d", "sqlite://", "sqlite:///:memory:"]
)
def test_a_url_that_cannot_be_used_names_the_setting_and_no_password(url: str) -> None:
    with pytest.raises(HistoryMisconfigured, match="AMAZE_DATABASE_URL") as raised:
        make_engine(url)
    assert "geheim" not in str(raised.value)


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HistoryUnavailable, match="cannot open"):
        make_engine(f"sqlite:///{tmp_path}/file/amaze.db")
