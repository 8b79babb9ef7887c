from __future__ import annotations

from pathlib import Path

import pytest

from amaze_proxy.history.bundle import open_history
from amaze_proxy.history.errors import HistoryMisconfigured, HistoryUnavailable
from amaze_proxy.history.keys import ApiKey


async def test_what_was_written_is_there_after_opening_again(empty_url: str) -> None:
    first = await open_history(empty_url)
    await first.keys.put(ApiKey("1" * 64, "admin", "admin", 1))
    await first.close()
    second = await open_history(empty_url)
    await second.ping()
    assert await second.keys.find("1" * 64) is not None
    await second.close()


async def test_a_history_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(HistoryMisconfigured, match="AMAZE_DATABASE_URL"):
        await open_history("mongodb://x")
    (tmp_path / "other.db").write_bytes(b"no database" * 1000)
    with pytest.raises(HistoryUnavailable, match="AMAZE_DATABASE_URL"):
        await open_history(f"sqlite:///{tmp_path / 'other.db'}")
