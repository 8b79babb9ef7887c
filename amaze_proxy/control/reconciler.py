"""Goes on publishing what the store did not take, and everything again when the store is empty."""

from __future__ import annotations

import asyncio
import logging

from amaze_proxy.control.publishing import Publishing
from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.errors import StoreError

log = logging.getLogger(__name__)


class Reconciler:
    """A loop over publishers. Times in seconds.

    A pass publishes what is owed. A probe asks the store for one of the things of each kind that
    it must have, another one in each pass: after FLUSHALL, or an empty restart, none of them is
    there. Smaller losses are found by publishing everything again every `republish_every`.
    """

    def __init__(
        self, publishers: tuple[Publishing, ...], every: float, republish_every: float
    ) -> None:
        self._publishers = publishers
        self._every = every
        self._republish_every = republish_every
        self._due = dict.fromkeys(publishers, 0.0)  # when everything is to be published
        self._stopped = False

    def stop(self) -> None:
        """Ends the loop with the pass that it is in; whoever waits for it cancels it as well.

        A cancellation alone can be lost: Python 3.11's `asyncio.wait_for`, which the client of
        the store uses, returns its result instead when both come at once.
        """
        self._stopped = True

    async def run(self) -> None:
        """Until stopped. Begins with everything."""
        while not self._stopped:
            try:
                await self.step()
            except (StoreError, HistoryError) as error:
                log.warning("publishing is behind, will try again: %s", error)
            except Exception:  # the loop must outlive what nobody thought of: changes wait for it
                log.exception("publishing failed, will try again")
            await asyncio.sleep(self._every)

    async def step(self) -> None:
        """One pass. Raises StoreUnavailable, HistoryUnavailable: what is owed stays owed."""
        now = asyncio.get_running_loop().time()
        if await self._lost():
            self._due = dict.fromkeys(self._publishers, now)
        failed: StoreError | HistoryError | None = None
        for publisher in self._publishers:  # what one cannot publish must not stop the others
            try:
                await self._pass(publisher, now)
            except (StoreError, HistoryError) as error:
                failed = error
        if failed is not None:
            raise failed

    async def _pass(self, publisher: Publishing, now: float) -> None:
        if now >= self._due[publisher]:
            await publisher.owe_everything()
            self._due[publisher] = now + self._republish_every
        await publisher.publish_owed()

    async def _lost(self) -> bool:
        for publisher in self._publishers:
            lost = await publisher.lost()
            if lost is not None:
                log.warning("the store has lost %s: publishing everything again", lost)
                return True
        return False
