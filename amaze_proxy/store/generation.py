"""The number of the directory: it grows whenever something that proxies keep a copy of changes."""

from __future__ import annotations

from amaze_proxy.store import keys
from amaze_proxy.store.client import Client, translate


async def touch(client: Client) -> None:
    """The directory changed. To be called after the change, so that whoever sees the new number
    also sees the change. Raises StoreUnavailable: the change stands, and has to be told again."""
    with translate():
        await client.incr(keys.DIRECTORY)


async def generation(client: Client) -> int:
    """The present number (0: nothing ever changed). Raises StoreUnavailable."""
    with translate():
        return int(await client.get(keys.DIRECTORY) or 0)
