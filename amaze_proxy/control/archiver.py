"""Moves the evidence from the streams into the archive, and trims the streams behind it."""

from __future__ import annotations

import asyncio
import logging

from amaze_proxy.control.clock import Clock
from amaze_proxy.history.archive import StreamRecord, entry_order
from amaze_proxy.history.bundle import History
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.audit import BEGINNING
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.store import Store

log = logging.getLogger(__name__)

_TRIM_EVERY_S = 30.0
KEEP_MS = 15 * 60 * 1000
"""What is younger stays in its stream too, for the live view."""


class Archiver:
    """A loop over all streams. Times in seconds."""

    def __init__(
        self, history: History, store: Store, clock: Clock, every: float, keep_ms: int = KEEP_MS
    ) -> None:
        self._history = history
        self._store = store
        self._clock = clock
        self._every = every
        self._keep_ms = keep_ms
        self._stopped = False
        self._places: dict[str, str] | None = None
        self._trim_due = 0.0

    def stop(self) -> None:
        """Ends the loop with the pass that it is in (see Reconciler.stop)."""
        self._stopped = True

    async def run(self) -> None:
        """Until stopped."""
        while not self._stopped:
            try:
                await self.step()
                await self._trim_sometimes()
            except (StoreError, HistoryError) as error:
                log.warning("archiving is behind, will try again: %s", error)
                await asyncio.sleep(self._every)
            except Exception:  # the loop must outlive what nobody thought of: evidence waits for it
                log.exception("archiving failed, will try again")
                await asyncio.sleep(self._every)

    async def step(self) -> int:
        """Archive what came, waiting half a second for some; how many records were new.

        Raises StoreError, HistoryError.
        """
        if self._places is None:
            self._places = await self._history.archive.cursors()
        for agent_id in await self._store.audit.agents():
            self._places.setdefault(agent_id, BEGINNING)
        pages: dict[str, list[StreamRecord]] = {}
        for entry in await self._store.audit.next(self._places):
            pages.setdefault(entry.agent_id, []).append(StreamRecord(entry.entry_id, entry.record))
        moved = 0
        for agent_id, records in pages.items():
            moved += await self._history.archive.append(agent_id, records)
            self._places[agent_id] = records[-1].entry_id
        return moved

    async def trim(self) -> None:
        """Cut the streams behind the archive. Raises StoreUnavailable."""
        old = f"{max(0, self._clock() - self._keep_ms)}-0"
        for agent_id, archived in (self._places or {}).items():
            if archived != BEGINNING:
                await self._store.audit.trim(agent_id, min(archived, old, key=entry_order))

    async def _trim_sometimes(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._trim_due:
            self._trim_due = now + _TRIM_EVERY_S
            await self.trim()
