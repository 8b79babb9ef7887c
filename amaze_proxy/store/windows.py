"""Sliding windows that were lost with the store, filled again from what the archive knows."""

from __future__ import annotations

from collections.abc import Iterable

from amaze_proxy.store import keys, library
from amaze_proxy.store.client import Client

BUCKETS = 60
"""How many a window has (window.lua)."""


class Windows:
    """Raises StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def restore(
        self, agent_id: str, name: str, window_ms: int, spent: Iterable[tuple[int, int]]
    ) -> bool:
        """Fill the window (`name` is its limit's) with (bucket, amount), where there is none: one
        that is there knows better. Whether it was filled."""
        flat = [number for pair in spent for number in pair if pair[1] > 0]
        named = (keys.window(agent_id, name),)
        return bool(flat) and bool(
            await library.call(self._client, "window_restore", named, window_ms, 0, *flat)
        )
