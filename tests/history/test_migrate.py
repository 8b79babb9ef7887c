from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

from amaze_proxy.history import tables
from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.errors import HistoryMisconfigured, HistoryUnavailable
from amaze_proxy.history.migrate import upgrade

whole = command.upgrade


def test_from_empty_the_schema_is_what_the_tables_say(empty_url: str) -> None:
    assert tables.AgentRow.__tablename__ == "agent"
    engine = make_engine(empty_url)
    head = upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == head
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_again_it_changes_nothing(empty_url: str) -> None:
    engine = make_engine(empty_url)
    upgrade(engine)
    before = inspect(engine).get_table_names()
    upgrade(engine)
    assert inspect(engine).get_table_names() == before
    engine.dispose()


def test_three_processes_may_start_at_once(empty_url: str) -> None:
    program = (
        "import sys; from amaze_proxy.history.engine import make_engine; "
        "from amaze_proxy.history.migrate import upgrade; print(upgrade(make_engine(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, empty_url]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    heads = [process.communicate()[0].strip() for process in started]
    assert all(heads)
    assert len(set(heads)) == 1


def test_migrations_are_one_transaction(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_engine(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", _half_an_upgrade)
        with pytest.raises(LookupError):
            upgrade(engine)
    assert inspect(engine).get_table_names() == []
    upgrade(engine)
    engine.dispose()


def _half_an_upgrade(config: Config, _revision: str) -> None:
    whole(config, "0001")
    raise LookupError


def test_agents_of_the_first_schema_hold_their_names(empty_url: str) -> None:
    engine = make_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(Path(tables.__file__).with_name("migrations")))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO agent VALUES ('a', 'approved', '', '', '', 0, '', 0, 1, 1, '', '', false)"
        )
        command.upgrade(config, "head")
        held = connection.exec_driver_sql("SELECT name, kind FROM registered_name").all()
        assert [tuple(row) for row in held] == [("a", "agent")]
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_a_schema_of_a_newer_version_is_refused(empty_url: str) -> None:
    engine = make_engine(empty_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(HistoryMisconfigured, match="newer version"):
        upgrade(engine)
    engine.dispose()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "amaze.db").write_bytes(b"this is no database, whatever its name says" * 100)
    engine = make_engine(f"sqlite:///{tmp_path}/amaze.db")
    with pytest.raises(HistoryUnavailable, match="DatabaseError"):
        upgrade(engine)
    engine.dispose()
