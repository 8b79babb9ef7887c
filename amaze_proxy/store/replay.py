"""The background task that brings the journals into the store when it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import groupby, islice

from amaze_proxy.policy.chain import BEFORE_FIRST, Head
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.delivery import Delivery
from amaze_proxy.store.journal import Journal, decode, set_aside
from amaze_proxy.store.late import sealed_anew

_log = logging.getLogger(__name__)

BATCH = 64
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0


class Source:
    """One journal being replayed: how far each chain in it has come."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.damaged = False
        self._delivered: dict[str, Head] = {}
        self._offset = 0

    def batches(self) -> Iterable[list[Settlement]]:
        """What is not delivered yet, in order."""
        lines = self.journal.read()
        while chunk := list(islice(lines, BATCH)):
            self._offset = chunk[-1][0]
            settlements = [one for _, line in chunk if (one := self._decode(line)) is not None]
            yield [one for one in settlements if not self._is_delivered(one)]

    def mark(self, delivered: Iterable[Settlement]) -> None:
        """These were taken."""
        for one in delivered:
            self._delivered[one.record.writer] = (one.record.seq, one.record.hash)

    def linked(self, settlements: list[Settlement]) -> list[Settlement]:
        """The same, of one chain, as what was delivered before them is now."""
        first = settlements[0].record
        seq, hash_ = self._delivered.get(first.writer, BEFORE_FIRST)
        if seq + 1 == first.seq and hash_ != first.prev_hash:
            return sealed_anew(settlements, hash_)
        return settlements

    @property
    def read_whole(self) -> bool:
        """Whether the last pass saw all that the file has now."""
        return self._offset >= self.journal.size

    def forget(self) -> None:
        """The file was emptied."""
        self._offset = 0

    def _is_delivered(self, settlement: Settlement) -> bool:
        record = settlement.record
        return record.seq <= self._delivered.get(record.writer, BEFORE_FIRST)[0]

    def _decode(self, line: bytes) -> Settlement | None:
        try:
            return decode(line)
        except ValueError:
            self.damaged = True
            return None


class Replayer:
    """`own` is this process's journal, `orphans` those of dead ones. `delivered` hears of each
    record of our own that was taken."""

    def __init__(
        self,
        delivery: Delivery,
        own: Journal,
        orphans: Iterable[Journal],
        delivered: Callable[[Settlement], None],
    ) -> None:
        self._delivery = delivery
        self._own = Source(own)
        self._orphans = [Source(journal) for journal in orphans]
        self._tell = delivered
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._stopped = False
        if self._orphans:
            self._wake.set()

    @property
    def size(self) -> int:
        """Bytes of the journals that wait, our own and those of dead processes."""
        return sum(source.journal.size for source in (self._own, *self._orphans))

    async def append(self, settlements: list[Settlement]) -> None:
        """To our own journal, on disk when it returns. Raises StoreUnavailable."""
        async with self._lock:
            await asyncio.to_thread(self._own.journal.append, settlements)
        self._wake.set()

    async def run(self) -> None:
        """Until stopped: whenever something waits, try, with growing pauses."""
        pause = FIRST_PAUSE
        while not self._stopped:
            await self._wake.wait()
            if await self._safe_pass():
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def close(self, running: asyncio.Task[None]) -> None:
        """End `run` and unlock the files; what is in them waits for the next process."""
        # A cancellation that meets redis-py's zero time-outs is lost: the flag ends it then.
        self._stopped = True
        self._wake.set()
        running.cancel()
        await asyncio.wait({running})
        for source in (self._own, *self._orphans):
            source.journal.close()

    async def _safe_pass(self) -> bool:
        try:
            return await self._pass()
        except Exception:  # noqa: BLE001 (a disk error now must not end all later replays)
            _log.exception("the journal could not be replayed")
            return False

    async def _pass(self) -> bool:
        """Whether nothing waits any more."""
        if not await self._delivery.reachable():
            return False
        for source in list(self._orphans):
            if await self._replay(source):
                self._finish(source)
        whole = await self._replay(self._own)
        async with self._lock:
            if not whole or not self._own.read_whole:
                return False
            self._own.journal.clear()
            self._own.forget()
            if not self._orphans:
                self._wake.clear()
        return not self._orphans

    def _finish(self, orphan: Source) -> None:
        self._orphans.remove(orphan)
        if orphan.damaged:
            _log.error("%s has damaged lines: kept as .damaged", orphan.journal.path)
            set_aside(orphan.journal)
        else:
            orphan.journal.clear()
        orphan.journal.close()

    async def _replay(self, source: Source) -> bool:
        """One pass over a file; whether all of it is in the store now. An agent whose record is
        refused waits for the next pass, the others go on."""
        stuck: set[str] = set()
        for batch in source.batches():
            ordered = sorted(batch, key=_agent)  # stable: each agent's order is kept
            for agent_id, group in groupby(ordered, key=_agent):
                if agent_id in stuck:
                    continue
                settlements = source.linked(list(group))
                taken, _ = await self._delivery.send(settlements)
                source.mark(settlements[:taken])
                if source is self._own:
                    for one in settlements[:taken]:
                        self._tell(one)
                if taken < len(settlements):
                    stuck.add(agent_id)
                    if not await self._delivery.reachable():
                        return False
        return not stuck


def _agent(settlement: Settlement) -> str:
    return settlement.agent_id
