"""The room as one thing: open it once per process."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis.asyncio.cluster import RedisCluster

from amaze_proxy.store import library
from amaze_proxy.store.agents import Agents
from amaze_proxy.store.audit import Audit
from amaze_proxy.store.client import Client, endpoint_of, open_client, translate
from amaze_proxy.store.cluster import ClusterCaller
from amaze_proxy.store.connection import TIMEOUT, Caller, Connection
from amaze_proxy.store.gate import StoreGate
from amaze_proxy.store.hotpath import HotPath
from amaze_proxy.store.open_calls import OpenCalls
from amaze_proxy.store.peers import Peers
from amaze_proxy.store.policies import Policies
from amaze_proxy.store.registry import Registry
from amaze_proxy.store.series import Series
from amaze_proxy.store.windows import Windows


@dataclass(frozen=True, slots=True)
class Store:
    """The parts share the connections."""

    gate: StoreGate
    peers: Peers
    agents: Agents
    policies: Policies
    registry: Registry
    windows: Windows
    audit: Audit
    series: Series
    open_calls: OpenCalls
    hot: HotPath
    client: Client

    async def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""
        with translate():
            await cast(Awaitable[bool], self.client.ping())

    async def load(self) -> None:
        """Put our functions into the server where they are missing or differ."""
        await library.ensure(self.client)

    async def close(self) -> None:
        """Write what is queued, then end all connections."""
        await self.gate.close()
        await self.hot.close()
        await self.client.aclose()


async def open_store(
    url: str,
    journal_dir: Path | None = None,
    instance: str | None = None,
    timeout: float = TIMEOUT,  # noqa: ASYNC109 (of each later call, not of this one)
) -> Store:
    """Connect and load our functions. `instance` names this process's chains: it must be new for
    each process. A call is refused when the store says nothing for `timeout` seconds. Raises
    StoreUnavailable (the server), StoreError (the URL, the journal)."""
    client = open_client(url, timeout)
    try:
        caller: Caller
        if isinstance(client, RedisCluster):
            caller = ClusterCaller(client, timeout)
        else:
            caller = Connection(endpoint_of(url), timeout)
        await library.ensure(client)
        hot = HotPath(caller, lambda: library.ensure(client), timeout)
        gate = StoreGate(hot, instance or secrets.token_hex(8), journal_dir)
    except BaseException:
        await client.aclose()
        raise
    return Store(
        gate=gate,
        peers=Peers(hot),
        agents=Agents(client),
        policies=Policies(client),
        registry=Registry(client),
        windows=Windows(client),
        audit=Audit(client),
        series=Series(client),
        open_calls=OpenCalls(client),
        hot=hot,
        client=client,
    )
