"""A history in a real SQLite file, and the same in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from amaze_proxy.history.bundle import History
from tests.migrated import open_migrated
from tests.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without a schema."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def url(backend: str, request: pytest.FixtureRequest) -> str:
    """A database with the newest schema."""
    return str(request.getfixturevalue(f"{backend}_url"))


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    opened = await open_migrated(url)
    yield opened
    await opened.close()
