"""The one Redis Functions library, `amaze`: its source, and loading it into a server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio.cluster import RedisCluster

from amaze_proxy.store.client import Client, translate
from amaze_proxy.store.errors import FunctionMissing

NAME = "amaze"
_PARTS = ("base", "window", "estimate", "graph", "hops", "admit", "series", "settle", "nouns")


@cache
def source() -> str:
    """The library as it is loaded: its version is its text."""
    scripts = files("amaze_proxy.store") / "scripts"
    return "\n".join((scripts / f"{part}.lua").read_text("utf-8") for part in _PARTS)


async def ensure(client: Client) -> None:
    """Load the library into every primary whose own differs. Raises StoreUnavailable."""
    with translate():
        if isinstance(client, RedisCluster):
            await client.initialize()
            for node in client.get_primaries():
                await _ensure(client, target_nodes=node)
        else:
            await _ensure(client)


async def _ensure(client: Any, **target: Any) -> None:
    found = await client.execute_command("FUNCTION LIST", "LIBRARYNAME", NAME, "WITHCODE", **target)
    if not _is_current(found):
        await client.execute_command("FUNCTION LOAD", "REPLACE", source(), **target)


def _is_current(reply: object) -> bool:
    """Whether a FUNCTION LIST reply holds our text (RESP2 pairs, or a dict per library)."""
    if not isinstance(reply, list) or len(reply) != 1:
        return False
    library = reply[0]
    if isinstance(library, list):
        library = dict(zip(library[::2], library[1::2], strict=True))
    if not isinstance(library, dict):
        return False
    code = library.get(b"library_code", library.get("library_code"))
    return code in (source(), source().encode())


async def call(client: Client, function: str, keys: Sequence[str], *args: str | int | bytes) -> Any:
    """Call a function outside the hot path; loads the library where it is missing (restarted
    empty). Raises StoreUnavailable."""
    try:
        return await _fcall(client, function, keys, args)
    except FunctionMissing:
        await ensure(client)
        return await _fcall(client, function, keys, args)


async def _fcall(
    client: Client, function: str, keys: Sequence[str], args: Sequence[str | int | bytes]
) -> Any:
    with translate():
        return await client.execute_command("FCALL", function, len(keys), *keys, *args)
