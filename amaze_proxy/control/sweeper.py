"""Records of calls whose worker died: admitted, never settled, and nobody is left to do it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Container

from amaze_proxy.control.loop import Loop
from amaze_proxy.history.bundle import History
from amaze_proxy.store.open_calls import OpenCall, Writer
from amaze_proxy.store.presence import Watcher
from amaze_proxy.store.store import Store

log = logging.getLogger(__name__)

SILENT_PASSES = 24
"""Passes without a new beat, after which a worker that cannot be seen from here is dead. Passes,
not seconds: while this machine stands still, or the store is away, they do not go by."""

_LOOK_AT_ALL = 60  # passes from one look at the calls of everybody to the next


class Sweeper(Loop):
    """A loop. `every` in seconds. What a call has reserved stays charged.

    Whether a worker is dead is never read from how long its call lasts. One that was taken for dead
    and comes back is told so by the store, and does not record its calls a second time.
    """

    def __init__(self, history: History, store: Store, watcher: Watcher, every: float) -> None:
        super().__init__("looking for abandoned calls", every, again=every)
        self._history = history
        self._store = store
        self._watcher = watcher
        self._heard: dict[str, tuple[str, int]] = {}
        self._passes = 0
        self.abandoned = 0
        """Records written, since the start."""

    async def _cycle(self) -> None:
        await self.step()

    async def step(self) -> int:
        """One pass; how many records were written. Raises StoreUnavailable, HistoryUnavailable."""
        beats = await self._store.open_calls.beats()
        self._listen(beats)
        dead = {instance for instance, beat in beats.items() if self._is_dead(instance, beat)}
        written = 0
        if dead or self._passes % _LOOK_AT_ALL == 0:
            written = await self._look_at_all(dead, beats)
        self._passes += 1
        for instance in dead:
            await self._store.open_calls.forget(instance)
            self._watcher.clear(instance)
        return written

    def _listen(self, beats: dict[str, str]) -> None:
        before, self._heard = self._heard, {}
        for instance, beat in beats.items():
            last, passes = before.get(instance, ("", 0))
            self._heard[instance] = (beat, passes + 1 if beat == last else 1)

    def _is_dead(self, instance: str, beat: str) -> bool:
        lives = self._watcher.lives(instance, beat)
        if lives is None:
            return self._heard[instance][1] > SILENT_PASSES
        return not lives

    async def _look_at_all(self, dead: set[str], known: Container[str]) -> int:
        written = 0
        for agent_id in await self._store.audit.agents():
            calls, senseless = await self._store.open_calls.of(agent_id)
            for decision_id in senseless:
                log.error("what is known of decision %s makes no sense", decision_id)
                await self._store.open_calls.drop(agent_id, decision_id)
            for instance in {call.instance for call in calls if call.instance not in known}:
                await self._store.open_calls.watch_too(instance)
            lost = [call for call in calls if call.instance in dead]
            written += await self._abandon(agent_id, lost)
        return written

    async def _abandon(self, agent_id: str, calls: list[OpenCall]) -> int:
        written, writer = 0, Writer(secrets.token_hex(8), agent_id)
        for call in calls:
            # An admission that the store took up late, when its call was refused and recorded.
            if await self._history.records.get(call.decision_id) is not None:
                await self._store.open_calls.drop(agent_id, call.decision_id)
            elif await self._store.open_calls.abandon(call, writer):
                written += 1
                self.abandoned += 1
                log.warning("decision %s of %s was abandoned", call.decision_id, agent_id)
        return written
