"""The two store calls of a governed call. What cannot be settled goes to the journal."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from amaze_proxy.policy.record import GENESIS, AuditRecord, seal_and_store
from amaze_proxy.store.admission import Admission, Admitted, Link, Settlement
from amaze_proxy.store.calls import admit_call, read_admitted
from amaze_proxy.store.delivery import Delivery
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.hotpath import HotPath
from amaze_proxy.store.journal import Journal, adopt
from amaze_proxy.store.replay import Replayer

_log = logging.getLogger(__name__)

BATCH = 64
REMEMBERED = 4096  # decisions that a repeated settle is known for


@dataclass(slots=True, eq=False)
class _Entry:
    """A settlement on its way, and who waits for its link (not the bodies: it is remembered)."""

    settlement: Settlement
    link: asyncio.Future[Link]

    def fail(self, error: Exception) -> None:
        if not self.link.done():
            self.link.set_exception(error)
            self.link.exception()  # seen: the caller may be gone

    def answer(self, record: AuditRecord) -> None:
        if not self.link.done():
            self.link.set_result(Link(record.writer, record.seq, record.hash))


@dataclass(slots=True)
class _Chain:
    """This process's chain of one agent's records. `journaled`: how many wait in the journal;
    while there are any, later ones go there too."""

    writer: str
    seq: int = 0
    last_hash: str = GENESIS
    journaled: int = 0
    running: bool = False
    queue: deque[_Entry] = field(default_factory=deque)

    def seal(self, settlement: Settlement) -> Settlement:
        record, stored = seal_and_store(
            settlement.record, self.writer, self.seq + 1, self.last_hash
        )
        self.seq, self.last_hash = record.seq, record.hash
        return replace(settlement, record=record, stored=stored)

    def take_back(self, first: AuditRecord) -> None:
        """Unlink `first` and what follows: nobody has seen them."""
        self.seq, self.last_hash = first.seq - 1, first.prev_hash


class StoreGate:
    """Implements Gate. Without a journal directory, a settle that the store does not take raises
    StoreUnavailable. Made by open_store."""

    def __init__(self, hot: HotPath, instance: str, journal_dir: Path | None = None) -> None:
        self._hot = hot
        self._instance = instance
        self._delivery = Delivery(hot.caller, hot.reload)
        self._chains: dict[str, _Chain] = {}
        self._recent: OrderedDict[tuple[str, str], asyncio.Future[Link]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._replayer: Replayer | None = None
        self._replaying: asyncio.Task[None] | None = None
        if journal_dir is not None:
            own, orphans = Journal.create(journal_dir, instance), adopt(journal_dir)
            self._replayer = Replayer(self._delivery, own, orphans, self._delivered)
            self._replaying = asyncio.get_running_loop().create_task(self._replayer.run())

    @property
    def errors(self) -> int:
        """How often the store did not do what it was asked, since the start."""
        return self._hot.errors + self._delivery.errors

    @property
    def journal_bytes(self) -> int:
        """What waits on disk for the store."""
        return self._replayer.size if self._replayer is not None else 0

    async def admit(self, admission: Admission) -> Admitted:
        """See Gate. Raises ValueError for a negative amount or a reserved turn id."""
        made = admit_call(admission, instance=self._instance)
        return read_admitted(await self._hot.call(made), admission)

    async def settle(self, settlement: Settlement) -> Link:
        """See Gate. Written even if the caller is cancelled meanwhile."""
        key = (settlement.agent_id, settlement.decision_id)
        before = self._recent.get(key)
        if before is None:
            before = self._enqueue(settlement)
            self._remember(key, before)
        return await asyncio.shield(before)

    def _remember(self, key: tuple[str, str], link: asyncio.Future[Link]) -> None:
        def forget_failure(done: asyncio.Future[Link]) -> None:
            if done.cancelled() or done.exception():
                self._recent.pop(key, None)

        self._recent[key] = link
        link.add_done_callback(forget_failure)
        if len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)

    def _enqueue(self, settlement: Settlement) -> asyncio.Future[Link]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        loop, agent_id = asyncio.get_running_loop(), settlement.agent_id
        chain = self._chains.get(agent_id)
        if chain is None:
            chain = self._chains[agent_id] = _Chain(f"{self._instance}:{agent_id}")
        entry = _Entry(settlement, loop.create_future())
        chain.queue.append(entry)
        if not chain.running:
            chain.running = True
            task = loop.create_task(self._drain(chain))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return entry.link

    async def _drain(self, chain: _Chain) -> None:
        """Write what is queued, batch after batch: sealed in order, sent in order."""
        while chain.queue:
            batch, sealed = _seal(chain)
            try:
                await self._write(chain, batch, sealed)
            except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
                for entry in batch:
                    entry.fail(error)
        chain.running = False

    async def _write(self, chain: _Chain, batch: list[_Entry], sealed: list[Settlement]) -> None:
        taken, unseen = 0, True  # of the first that was not taken: nobody but us has seen it
        if not chain.journaled:
            taken, unseen = await self._delivery.send(sealed)
        if sealed:
            chain.last_hash = sealed[-1].record.hash  # they may have been sealed anew
        _answer(batch[:taken], sealed[:taken])
        rest = sealed[taken:]
        if not rest:
            return
        chain.journaled += len(rest)
        try:
            await self._journal(rest)
        except StoreUnavailable:
            chain.journaled -= len(rest)
            if unseen:
                chain.take_back(rest[0].record)
            raise
        _answer(batch[taken:], rest)

    async def _journal(self, settlements: list[Settlement]) -> None:
        if self._replayer is None:
            raise StoreUnavailable("the store does not take the record, and there is no journal")
        await self._replayer.append(settlements)
        _log.warning("%d records of %s journaled", len(settlements), settlements[0].agent_id)

    def _delivered(self, settlement: Settlement) -> None:
        chain, record = self._chains[settlement.agent_id], settlement.record
        chain.journaled -= 1
        if record.seq == chain.seq:
            chain.last_hash = record.hash  # it may have been sealed anew

    async def close(self) -> None:
        """Write what is queued, then end; what the journal holds waits for the next process."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._replaying is not None and self._replayer is not None:
            await self._replayer.close(self._replaying)


def _seal(chain: _Chain) -> tuple[list[_Entry], list[Settlement]]:
    """The next batch of the queue, linked. A record that has no JSON fails alone."""
    batch: list[_Entry] = []
    sealed: list[Settlement] = []
    while chain.queue and len(batch) < BATCH:
        entry = chain.queue.popleft()
        try:
            sealed.append(chain.seal(entry.settlement))
            batch.append(entry)
        except (TypeError, ValueError) as error:
            entry.fail(error)
    return batch, sealed


def _answer(batch: list[_Entry], sealed: list[Settlement]) -> None:
    for entry, settlement in zip(batch, sealed, strict=True):
        entry.answer(settlement.record)
