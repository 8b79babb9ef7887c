"""What is done again and again, as long as the process runs."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.errors import StoreError

log = logging.getLogger(__name__)


class Loop(ABC):
    """Goes on whatever a pass raises. `every` seconds lie between passes, `again` after one that
    failed; `what` is what it is called in the log."""

    def __init__(self, what: str, every: float, again: float) -> None:
        self._what = what
        self._every = every
        self._again = again
        self._stopped = False
        self.failures = 0
        """Passes that failed, since the start."""

    @abstractmethod
    async def _cycle(self) -> None:
        """One pass. May raise anything."""

    def stop(self) -> None:
        """Ends the loop with the pass that it is in; whoever waits for it cancels it as well.

        A cancellation alone can be lost: Python 3.11's `asyncio.wait_for`, which the client of
        the store uses, returns its result instead when both come at once.
        """
        self._stopped = True

    async def run(self) -> None:
        """Until stopped."""
        while not self._stopped:
            passed = await self._passed()
            if not self._stopped:  # a pass that took our cancellation is not followed by a rest
                await asyncio.sleep(self._every if passed else self._again)

    async def _passed(self) -> bool:
        try:
            await self._cycle()
        except (StoreError, HistoryError) as error:
            log.warning("%s is behind, will try again: %s", self._what, error)
        except Exception:  # it must outlive what nobody thought of: changes and evidence wait
            log.exception("%s failed, will try again", self._what)
        else:
            return True
        self.failures += 1
        return False
