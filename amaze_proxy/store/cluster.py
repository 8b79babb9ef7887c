"""The hot path on Redis Cluster: the same little interface over redis-py's cluster client."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from redis.asyncio.cluster import RedisCluster

from amaze_proxy.store.client import translate
from amaze_proxy.store.connection import TIMEOUT, Argument, encode
from amaze_proxy.store.wire import Reply


class ClusterCaller:
    """Calls a function on the node of its first key. Commands take separate connections, so they
    are not ordered. The client belongs to whoever opened it."""

    ordered = False

    def __init__(self, client: RedisCluster, timeout: float = TIMEOUT) -> None:
        self._client = client
        self._timeout = timeout

    async def fcall(self, function: str, keys: Sequence[str], args: Sequence[Argument]) -> Reply:
        """See Caller."""
        with translate():
            async with asyncio.timeout(self._timeout):
                await self._client.initialize()
                # Naming the node spares the COMMAND GETKEYS that redis-py asks for an FCALL;
                # a MOVED answer is still followed.
                node = self._client.get_node_from_key(keys[0])
                target = {"target_nodes": node} if node is not None else {}
                reply = await self._client.execute_command(
                    "FCALL", function, len(keys), *keys, *map(encode, args), **target
                )
        return cast(Reply, reply)

    async def close(self) -> None:
        """Nothing of its own to end."""
