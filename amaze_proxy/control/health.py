"""Whether the parts that the control plane needs answer, and a few numbers about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from amaze_proxy.control.archiver import Archiver
from amaze_proxy.control.publishing import Publishing
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.store import Store

OK = "ok"
_PATIENCE_S = 2.0
_LAG_S = 10.0  # an archive that is further behind is told


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many agents there are by status, and how many changes, of agents, MCP servers and LLM
    hosts, are saved and not in force. `archive_lag`: how many seconds the archive is behind the
    streams (None: it is filled by another process)."""

    agents: dict[str, int]
    owed: int
    archive_lag: float | None = None


class Health:
    """Asks the store and the history."""

    def __init__(
        self,
        history: History,
        store: Store,
        publishers: tuple[Publishing, ...],
        archiver: Archiver,
    ) -> None:
        self._history = history
        self._store = store
        self._publishers = publishers
        self._archiver = archiver

    async def parts(self) -> dict[str, str]:
        """Each part with `ok`, or with what is wrong. Never raises for a part that fails."""
        redis, sql = await asyncio.gather(self._redis(), self._sql())
        parts = {"redis": redis, "sql": sql}
        lag = self._archiver.lag
        if lag is not None:
            parts["archive"] = OK if lag < _LAG_S else f"is {lag:.0f} s behind the streams"
        return parts

    async def numbers(self) -> Numbers:
        """Raises HistoryUnavailable."""
        agents = {
            str(status): await self._history.agents.count(str(status)) for status in AgentStatus
        }
        owed = sum(publisher.owed for publisher in self._publishers)
        return Numbers(agents, owed, self._archiver.lag)

    async def _redis(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._store.ping()
        except (StoreError, TimeoutError):
            return "does not answer: every call of an agent is denied until it does"
        return OK

    async def _sql(self) -> str:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._history.ping()
        except (HistoryError, TimeoutError):
            return "does not answer: nothing can be changed until it does"
        return OK
