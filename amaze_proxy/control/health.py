"""Whether the parts that the control plane needs answer, and a few numbers about it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from amaze_proxy.control.archiver import Archiver
from amaze_proxy.control.publishing import Publishing
from amaze_proxy.control.reconciler import Reconciler
from amaze_proxy.control.sweeper import Sweeper
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
    """How many agents there are by status (none: SQL does not answer), and how many changes, of
    agents, MCP servers and LLM hosts, are saved and not in force. `archive_lag`: how many seconds
    the archive is behind the streams (None: it is filled by another process). `parts`: whether
    each answers. Since the start of this process: records `archived`, `flaws` of the evidence
    that were told, `checkpoints` signed, passes of a loop that failed, calls of the store that
    failed. `journal_bytes` wait on disk for the store. `abandoned`: records that this process wrote
    for workers that died."""

    parts: dict[str, bool]
    agents: dict[str, int]
    owed: int
    archive_lag: float | None
    archived: int
    flaws: int
    checkpoints: int
    failures: dict[str, int]
    store_errors: int
    journal_bytes: int
    abandoned: int


class Health:
    """Asks the store and the history."""

    def __init__(
        self,
        history: History,
        store: Store,
        publishers: tuple[Publishing, ...],
        archiver: Archiver,
        reconciler: Reconciler,
        sweeper: Sweeper,
    ) -> None:
        self._history = history
        self._store = store
        self._publishers = publishers
        self._archiver = archiver
        self._reconciler = reconciler
        self._sweeper = sweeper

    async def parts(self) -> dict[str, str]:
        """Each part with `ok`, or with what is wrong. Never raises for a part that fails."""
        redis, sql = await asyncio.gather(self.redis(), self._sql())
        parts = {"redis": redis, "sql": sql}
        if self._reconciler.restoring:
            parts["published"] = "the store was emptied, and is being filled again"
        lag = self._archiver.lag
        if lag is not None:
            parts["archive"] = OK if lag < _LAG_S else f"is {lag:.0f} s behind the streams"
        return parts

    async def numbers(self) -> Numbers:
        """Never raises for a part that fails."""
        parts, archiver = await self.parts(), self._archiver
        return Numbers(
            parts={name: state == OK for name, state in parts.items()},
            agents=await self._agents(),
            owed=sum(publisher.owed for publisher in self._publishers),
            archive_lag=archiver.lag,
            archived=archiver.archived,
            flaws=archiver.flaws,
            checkpoints=archiver.checkpoints,
            failures={
                "archiver": archiver.failures,
                "reconciler": self._reconciler.failures,
                "sweeper": self._sweeper.failures,
            },
            store_errors=self._store.gate.errors,
            journal_bytes=self._store.gate.journal_bytes,
            abandoned=self._sweeper.abandoned,
        )

    async def _agents(self) -> dict[str, int]:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return {str(one): await self._history.agents.count(str(one)) for one in AgentStatus}
        except (HistoryError, TimeoutError):
            return {}

    async def redis(self) -> str:
        """`ok`, or what is wrong with the store. Never raises for it."""
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
