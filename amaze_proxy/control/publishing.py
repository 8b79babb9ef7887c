"""Makes the store equal to the history, one thing at a time; what is owed is remembered.

The history is the truth. Bringing reads it, brings the store to it, and reads it again until it
has not changed in between: so whoever publishes last, in whatever process, leaves the newest.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from weakref import WeakValueDictionary

from amaze_proxy.history.errors import HistoryError
from amaze_proxy.store.errors import StoreError

log = logging.getLogger(__name__)


class Publishing(ABC):
    """Publishes one kind of thing by its name, and remembers what it owes to the store."""

    def __init__(self) -> None:
        self._owed: set[str] = set()
        self._busy: set[str] = set()
        self._held: dict[str, None] = {}  # what the store must know, the next to probe first
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @abstractmethod
    async def _bring(self, name: str) -> bool:
        """Makes the store what the history says of `name`; whether it has it now. Raises
        StoreUnavailable, HistoryUnavailable."""

    @abstractmethod
    async def _missing(self, name: str) -> bool:
        """Whether the history has `name` and the store does not. Raises as `_bring`."""

    @abstractmethod
    async def _everything(self) -> Iterable[str]:
        """All names there are. Raises as `_bring`."""

    @property
    def owed(self) -> int:
        """How many changes are saved and not in force."""
        return len(self._owed | self._busy)

    async def publish(self, name: str) -> bool:
        """Brings the store to what the history says now; False when it has to be done later.

        To be called after the change was committed: a publication that began before it may have
        missed it, one that begins later sees it, and then there is nothing left to do here.
        """
        self._owed.add(name)
        try:
            await self._settle(name)
        except (StoreError, HistoryError) as error:
            log.warning("%s is saved but not in force yet: %s", name, error)
            return False
        return True

    async def publish_owed(self) -> None:
        """Everything owed. Raises StoreUnavailable, HistoryUnavailable: the rest stays owed."""
        for name in sorted(self._owed):
            await self._settle(name)

    async def owe_everything(self) -> None:
        """Marks everything as owed. Raises StoreUnavailable, HistoryUnavailable."""
        self._owed.update(await self._everything())

    async def lost(self) -> str | None:
        """Something that was published and that the store does not know any more, if what was
        looked at is such; another one is looked at each time. Raises as `publish_owed`."""
        name = next(iter(self._held), None)
        if name is None or name in self._owed:
            return None
        self._held[name] = self._held.pop(name)  # to the end of the queue
        return name if await self._missing(name) else None

    async def _settle(self, name: str) -> None:
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            if name not in self._owed:
                return
            self._owed.discard(name)  # before reading: a change from here on owes it again
            self._busy.add(name)
            try:
                if await self._bring(name):
                    self._held.setdefault(name)
                else:
                    self._held.pop(name, None)
            except BaseException:
                self._owed.add(name)
                raise
            finally:
                self._busy.discard(name)
