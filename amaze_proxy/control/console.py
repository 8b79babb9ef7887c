"""What an operator's console, such as the web UI, stands on: the services over their own store
and history, opened and closed as one; and the names of the records that they hand out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.evidence import Evidence
from amaze_proxy.control.messages import message_client
from amaze_proxy.control.reach import NOWHERE, Reach
from amaze_proxy.control.services import Services, wire
from amaze_proxy.history.accounts import Account
from amaze_proxy.history.agents import AgentRecord, Endpoints
from amaze_proxy.history.alerts import Alert
from amaze_proxy.history.bundle import open_history
from amaze_proxy.history.checkpoints import Checkpoint
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.history.keys import AccessKey
from amaze_proxy.history.ledger import Selection
from amaze_proxy.history.marks import Marks, read_marks
from amaze_proxy.history.policies import PolicyVersion
from amaze_proxy.history.probes import Probe
from amaze_proxy.history.queries import EVERYTHING, VERDICTS, Cursor, Filter, Viewer, read_cursor
from amaze_proxy.history.records import RecordFilter, RecordLine, RecordPage
from amaze_proxy.history.registry import EntryRecord
from amaze_proxy.history.rollups import Dimension
from amaze_proxy.history.statistics import Bucket, Named, Numbers, Period, Statistics
from amaze_proxy.history.traces import TracePage, TraceSummary
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.keys import ADMIN_LOG, UNKNOWN_AGENT
from amaze_proxy.store.registry import EntryStatus
from amaze_proxy.store.store import open_store

__all__ = [
    "ADMIN_LOG",
    "EVERYTHING",
    "OUTAGES",
    "UNKNOWN_AGENT",
    "VERDICTS",
    "AccessKey",
    "Account",
    "AgentRecord",
    "AgentStatus",
    "Alert",
    "Bucket",
    "Checkpoint",
    "Console",
    "Cursor",
    "Dimension",
    "Endpoints",
    "EntryRecord",
    "EntryStatus",
    "Filter",
    "Marks",
    "Named",
    "Numbers",
    "Period",
    "PolicyVersion",
    "Probe",
    "RecordFilter",
    "RecordLine",
    "RecordPage",
    "Selection",
    "Statistics",
    "TracePage",
    "TraceSummary",
    "Viewer",
    "open_console",
    "read_cursor",
]

OUTAGES = (StoreError, HistoryError)
"""What is raised, beside ControlError, when the store or the database cannot do what was asked."""


@dataclass(frozen=True, slots=True)
class Console:
    """The parts, open."""

    services: Services
    evidence: Evidence

    async def marks(self) -> Marks:
        """What has changed lately. Raises HistoryUnavailable."""
        return await read_marks(self.services.history.database)


@asynccontextmanager
async def open_console(
    config: ControlConfig,
    redis_url: str,
    database_url: str,
    journal: Path | None = None,
    reach: Reach = NOWHERE,
) -> AsyncIterator[Console]:
    """Opens, reconciles while it is open (a change that the store did not take at once follows as
    soon as the store is back), and closes. `journal` keeps the records of acts that the store does
    not take; MCP servers are probed by `reach`. Raises StoreError, HistoryError when it cannot
    open."""
    history = await open_history(database_url)
    try:
        store = await open_store(redis_url, journal, timeout=config.store_timeout)
        try:
            async with message_client(config.chat_timeout) as client:
                services = wire(config, store, history, client, reach=reach)
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
