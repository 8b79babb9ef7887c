"""Everything durable in one object, opened and migrated."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy import Engine

from amaze_proxy.history.accounts import AccountHistory
from amaze_proxy.history.agents import AgentHistory
from amaze_proxy.history.alerts import AlertHistory
from amaze_proxy.history.archive import ArchiveHistory
from amaze_proxy.history.checkpoints import CheckpointHistory
from amaze_proxy.history.database import Database
from amaze_proxy.history.drafts import DraftHistory
from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.history.idempotency import IdempotencyHistory
from amaze_proxy.history.keys import AccessKeyHistory, KeyHistory
from amaze_proxy.history.ledger import Ledger
from amaze_proxy.history.migrate import upgrade
from amaze_proxy.history.policies import PolicyHistory
from amaze_proxy.history.probes import ProbeHistory
from amaze_proxy.history.records import RecordHistory
from amaze_proxy.history.registry import RegistryHistory
from amaze_proxy.history.spending import SpendingHistory
from amaze_proxy.history.statistics import StatisticsHistory
from amaze_proxy.history.traces import TraceHistory


@dataclass(frozen=True, slots=True)
class History:
    """The rooms of the history; `close` ends its threads and connections."""

    database: Database
    agents: AgentHistory
    policies: PolicyHistory
    drafts: DraftHistory
    keys: KeyHistory
    registry: RegistryHistory
    probes: ProbeHistory
    archive: ArchiveHistory
    traces: TraceHistory
    records: RecordHistory
    alerts: AlertHistory
    statistics: StatisticsHistory
    spending: SpendingHistory
    accounts: AccountHistory
    access_keys: AccessKeyHistory
    checkpoints: CheckpointHistory
    ledger: Ledger
    idempotency: IdempotencyHistory

    async def ping(self) -> None:
        """Raises HistoryUnavailable when the database does not answer."""
        await self.database.ping()

    async def close(self) -> None:
        """Waits for the work that was begun, then closes."""
        await self.database.close()


async def open_history(url: str) -> History:
    """The history at `url` (`sqlite:////path`, `postgresql://…`), with the newest schema.

    Raises HistoryMisconfigured with what to change, HistoryUnavailable.
    """
    engine = await asyncio.to_thread(_migrated, url)
    database = Database(engine)
    return History(
        database,
        AgentHistory(database),
        PolicyHistory(database),
        DraftHistory(database),
        KeyHistory(database),
        RegistryHistory(database),
        ProbeHistory(database),
        ArchiveHistory(database),
        TraceHistory(database),
        RecordHistory(database),
        AlertHistory(database),
        StatisticsHistory(database),
        SpendingHistory(database),
        AccountHistory(database),
        AccessKeyHistory(database),
        CheckpointHistory(database),
        Ledger(database),
        IdempotencyHistory(database),
    )


def _migrated(url: str) -> Engine:
    engine = make_engine(url)
    try:
        upgrade(engine)
    except BaseException as error:
        engine.dispose()
        if isinstance(error, HistoryUnavailable):
            hint = "does it run, has it room, and is AMAZE_DATABASE_URL right?"
            raise HistoryUnavailable(f"{error}: {hint}") from error
        raise
    return engine
