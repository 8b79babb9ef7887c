from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.errors import HistoryMisconfigured, HistoryUnavailable
from amaze_proxy.history.migrate import upgrade
from amaze_proxy.history.options import WRITES


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


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"]
)
def test_whatever_the_scheme_postgresql_is_spoken_by_psycopg(scheme: str) -> None:
    engine = make_engine(f"{scheme}://me:word@db.example:5433/amaze?connect_timeout=2")
    assert engine.url.render_as_string(hide_password=False) == (
        "postgresql+psycopg://me:word@db.example:5433/amaze"
        "?application_name=amaze&connect_timeout=2"
    )


def test_without_the_driver_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "amaze_proxy.history.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg.types.string", None)
    with pytest.raises(
        HistoryMisconfigured, match=r"pip install 'amaze-control-plane\[postgres\]'"
    ):
        make_engine("postgresql://me:geheim@db.example/amaze")


def test_a_server_that_is_not_there_is_named_and_no_password() -> None:
    engine = make_engine("postgresql://me:geheim@127.0.0.1:1/amaze")
    with pytest.raises(HistoryUnavailable, match=r"127\.0\.0\.1.*Connection refused") as raised:
        upgrade(engine)
    assert "geheim" not in str(raised.value)


def test_texts_of_postgresql_are_ordered_by_bytes(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT count(*), count(*) FILTER (WHERE collation_name = 'C')"
            " FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying')"
        ).one()
    engine.dispose()
    assert found[0] == found[1] > 50
