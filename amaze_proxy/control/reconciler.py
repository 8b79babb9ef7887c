"""Goes on publishing what the store did not take, and everything again when the store is empty."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from amaze_proxy.control.loop import Loop
from amaze_proxy.control.publishing import Publishing
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.errors import StoreError

log = logging.getLogger(__name__)


class Reconciler(Loop):
    """A loop over publishers, in their order; it begins with everything. Times in seconds.

    A pass publishes what is owed. A probe asks the store for one of the things of each kind that
    it must have, another one in each pass: after FLUSHALL, or an empty restart, none of them is
    there. Smaller losses are found by publishing everything again every `republish_every`.
    `tell` is called after a loss, when everything is there again, with what was missed.
    """

    def __init__(
        self,
        publishers: tuple[Publishing, ...],
        every: float,
        republish_every: float,
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        super().__init__("publishing", every, again=every)
        self._publishers = publishers
        self._republish_every = republish_every
        self._tell = tell
        self._due = dict.fromkeys(publishers, 0.0)  # when everything is to be published
        self._missed = ""

    @property
    def restoring(self) -> bool:
        """Whether the store has lost something that is not all there again."""
        return self._missed != ""

    async def step(self) -> None:
        """One pass. Raises StoreUnavailable, HistoryUnavailable: what is owed stays owed."""
        now = asyncio.get_running_loop().time()
        if missed := await self._lost():
            self._missed = self._missed or missed
            self._due = dict.fromkeys(self._publishers, now)
        failed: StoreError | HistoryError | None = None
        for publisher in self._publishers:  # what one cannot publish must not stop the others
            try:
                await self._pass(publisher, now)
            except (StoreError, HistoryError) as error:
                failed = error
        if failed is not None:
            raise failed
        if self._missed:
            await self._tell(self._missed)
            log.warning("the store has everything again")
            self._missed = ""

    async def _cycle(self) -> None:
        await self.step()

    async def _pass(self, publisher: Publishing, now: float) -> None:
        if now >= self._due[publisher]:
            await publisher.owe_everything()
            self._due[publisher] = now + self._republish_every
        await publisher.publish_owed()

    async def _lost(self) -> str:
        for publisher in self._publishers:
            lost = await publisher.lost()
            if lost is not None:
                log.warning("the store has lost %s: publishing everything again", lost)
                return lost
        return ""
