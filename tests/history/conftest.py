"""A history in a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amaze_proxy.history.bundle import History, open_history


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/amaze.db"


@pytest.fixture
async def history(url: str) -> AsyncIterator[History]:
    opened = await open_history(url)
    yield opened
    await opened.close()
