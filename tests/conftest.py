"""What tests of several rooms share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.migrate import upgrade
from tests.postgres import PostgresServer

# A worker of xdist is measured, what it starts is not: platforms would start twice as slowly.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

# Properties are judged by their outcome, not by how long a machine took that may stand still. A
# fixture that an example uses is one that it may share with the others.
settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first: the short ones fill what is left of the other worker's time."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on no disk where the system has one: each commit waits until it is written."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path_factory.mktemp("memory")
        return
    with tempfile.TemporaryDirectory(prefix="amaze-tests-", dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema, to be copied: migrations cost more than most tests."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, memory: Path) -> Iterator[str]:
    """A database with the newest schema."""
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        path = shutil.copy(migrated_sqlite, Path(directory) / "amaze.db")
        yield f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Started by the first test that asks for it."""
    server = PostgresServer()
    server.start()
    server.prepare()
    yield server
    server.remove()


@pytest.fixture
def postgresql_url(postgres: PostgresServer) -> Iterator[str]:
    """A database with the newest schema."""
    url = postgres.create_migrated()
    yield url
    postgres.drop(url)
