"""Moves the evidence from the streams into the archive, and trims the streams behind it."""

from __future__ import annotations

import asyncio
import json
import logging

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.loop import Loop
from amaze_proxy.control.upkeep import Upkeep
from amaze_proxy.history.archive import FoundFlaw, StreamJunk, StreamRecord, entry_order
from amaze_proxy.history.bundle import History
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.audit import BEGINNING, Entry, Item
from amaze_proxy.store.store import Store

log = logging.getLogger(__name__)

CHAIN_BROKEN = "chain-broken"
"""The alert of a record that tells of a flaw in the evidence."""

KEEP_MS = 15 * 60 * 1000
"""What is younger stays in its stream too, for the live view."""

_TRIM_EVERY_S = 30.0
_FULL = 256  # entries of a stream in one pass: there may be more behind them
_KEPT_TEXT = 64 * 1024  # characters of an entry in its alarm


class Archiver(Loop):
    """A loop over all streams. Times in seconds. Without `upkeep` nothing is signed."""

    def __init__(
        self,
        history: History,
        store: Store,
        clock: Clock,
        every: float,
        keep_ms: int = KEEP_MS,
        upkeep: Upkeep | None = None,
    ) -> None:
        super().__init__("archiving", every=0, again=every)  # a pass waits for records by itself
        self._history = history
        self._store = store
        self._clock = clock
        self._keep_ms = keep_ms
        self._upkeep = upkeep
        self._places: dict[str, str] | None = None
        self._trim_due = 0.0
        self._level_at: float | None = None
        self._flaws_wait = True
        # since the start
        self.archived = 0
        self.flaws = 0

    @property
    def lag(self) -> float | None:
        """How long ago the archive had all that was in the streams; None when nobody runs this."""
        if self._level_at is None:
            return None
        return asyncio.get_running_loop().time() - self._level_at

    @property
    def checkpoints(self) -> int:
        """How many were signed since the start."""
        return self._upkeep.checkpoints if self._upkeep is not None else 0

    async def run(self) -> None:
        """Until stopped."""
        self._level_at = asyncio.get_running_loop().time()
        await super().run()

    async def _cycle(self) -> None:
        moved = await self.step()
        if self._upkeep is not None:
            await self._upkeep.step(moved)
        await self._trim_sometimes()

    async def step(self) -> int:
        """Archive what came, waiting half a second for some; how many records were new.

        Raises StoreError, HistoryError, when every stream that could be archived was.
        """
        places = await self._known_places()
        pages: dict[str, list[StreamRecord | StreamJunk]] = {}
        for item in await self._store.audit.next(places):
            pages.setdefault(item.agent_id, []).append(_streamed(item))
        moved, failed = 0, None
        for agent_id, page in pages.items():
            try:
                new = await self._history.archive.append(agent_id, page, places[agent_id])
            except Exception as error:  # noqa: BLE001 (one stream must not stop the others)
                failed = error
            else:
                moved += new
                self.archived += new
                places[agent_id] = page[-1].entry_id
        if failed is not None:
            # A database that was away may have lost its last commits: its own word counts.
            self._places = None
            raise failed
        self._flaws_wait = self._flaws_wait or moved > 0 or bool(pages)
        await self._tell_flaws()
        if all(len(page) < _FULL for page in pages.values()):
            self._level_at = asyncio.get_running_loop().time()
        return moved

    async def trim(self) -> None:
        """Cut the streams behind the archive. Raises StoreUnavailable."""
        old = f"{max(0, self._clock() - self._keep_ms)}-0"
        for agent_id, archived in (self._places or {}).items():
            if archived != BEGINNING:
                await self._store.audit.trim(agent_id, min(archived, old, key=entry_order))

    async def _known_places(self) -> dict[str, str]:
        if self._places is None:
            self._places = await self._history.archive.cursors()
        for agent_id in await self._store.audit.agents():
            self._places.setdefault(agent_id, BEGINNING)
        return self._places

    async def _tell_flaws(self) -> None:
        """Raise an alarm for each flaw. One may be told twice, when we end in between."""
        if not self._flaws_wait:
            return
        for found in await self._history.archive.untold():
            log.error("the evidence of %s is not whole: %s", found.flaw.agent_id, found.flaw)
            await self._store.gate.settle(_alarm(found, self._clock()))
            await self._history.archive.told(found.number)
            self.flaws += 1
        self._flaws_wait = False

    async def _trim_sometimes(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._trim_due:
            self._trim_due = now + _TRIM_EVERY_S
            await self.trim()


def _streamed(item: Item) -> StreamRecord | StreamJunk:
    if isinstance(item, Entry):
        return StreamRecord(item.entry_id, item.record, item.text)
    return StreamJunk(item.entry_id, item.text)


def _alarm(found: FoundFlaw, now: int) -> Settlement:
    flaw = found.flaw
    told = {
        "kind": flaw.kind,
        "what": flaw.what,
        "writer": flaw.writer,
        "seq": flaw.seq,
        "decision_id": flaw.decision_id,
        "entry_id": flaw.entry_id,
        "entry": found.text[:_KEPT_TEXT],
    }
    record = AuditRecord(
        decision_id=f"flaw-{found.number}",
        ts=now,
        agent_id=flaw.agent_id,
        kind="admin",
        caller="archiver",
        target="audit",
        method="verify",
        alert=CHAIN_BROKEN,
        error=flaw.what,
        input=json.dumps(told),
    )
    return Settlement(record.decision_id, flaw.agent_id, record, charged=False)
