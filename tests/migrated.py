"""A history over a database that is a copy of a migrated one."""

from __future__ import annotations

import pytest

from amaze_proxy.history import bundle


async def open_migrated(url: str) -> bundle.History:
    """As `open_history`; to look for migrations that are missing costs more than most tests."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bundle, "upgrade", lambda _: "")
        return await bundle.open_history(url)
