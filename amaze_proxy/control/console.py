"""What an operator's console, such as the web UI, stands on: the services over their own store
and history, opened and closed as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.evidence import Evidence
from amaze_proxy.control.services import Services, wire
from amaze_proxy.history.agents import AgentRecord, Endpoints
from amaze_proxy.history.bundle import open_history
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.store import open_store

__all__ = ["OUTAGES", "AgentRecord", "Console", "Endpoints", "open_console"]

OUTAGES = (StoreError, HistoryError)
"""What is raised, beside ControlError, when the store or the database cannot do what was asked."""


@dataclass(frozen=True, slots=True)
class Console:
    """The parts, open."""

    services: Services
    evidence: Evidence


@asynccontextmanager
async def open_console(
    config: ControlConfig, redis_url: str, database_url: str
) -> AsyncIterator[Console]:
    """Opens, reconciles while it is open (a change that the store did not take at once follows as
    soon as the store is back), and closes. Raises StoreError, HistoryError when it cannot open."""
    history = await open_history(database_url)
    try:
        store = await open_store(redis_url)
        try:
            client = httpx.AsyncClient(
                timeout=httpx.Timeout(config.chat_timeout, connect=10.0), trust_env=False
            )
            async with client:
                services = wire(config, store, history, client)
                reconciling = asyncio.create_task(services.reconciler.run(), name="reconciler")
                try:
                    yield Console(services, Evidence(store))
                finally:
                    services.reconciler.stop()
                    reconciling.cancel()
                    await asyncio.gather(reconciling, return_exceptions=True)
        finally:
            await store.close()
    finally:
        await history.close()
