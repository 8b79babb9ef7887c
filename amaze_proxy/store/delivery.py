"""Sealed settlements into the store, in order, and how many of them it took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.calls import read_settled, settle_call
from amaze_proxy.store.connection import Caller
from amaze_proxy.store.errors import FunctionMissing, NothingRan, StoreUnavailable
from amaze_proxy.store.late import late

_log = logging.getLogger(__name__)

_GAP = StoreUnavailable("the store misses earlier records of this chain")
_ABANDONED = StoreUnavailable("the call was recorded as abandoned")


class Delivery:
    """`load` puts our functions into a server that has none. Whoever sends keeps this law: when
    a record is sent, all earlier ones of its chain were acknowledged, are sent before it, or were
    refused to their caller. So a gap that the server sees is a loss (restarted empty, AOF cut),
    and the chain goes on across it, where its verification shows it."""

    def __init__(self, caller: Caller, load: Callable[[], Awaitable[None]]) -> None:
        self._caller = caller
        self._load = load
        self.errors = 0
        """Batches that were not taken whole, since the start."""

    async def send(self, batch: list[Settlement]) -> tuple[int, bool]:
        """How many were taken, from the front, and whether the next one certainly was not.
        Repeating what was taken is harmless.

        `batch` is of one chain. Where a call was recorded as abandoned, what came late is told in a
        record of its own in its place, and those behind it are sealed anew: `batch` has them then.
        """
        done, loaded, resumed, problem = 0, False, -1, None
        while done < len(batch):
            taken, problem = await self._attempt(batch[done:], resume=resumed == done)
            done += taken
            if isinstance(problem, FunctionMissing) and not loaded:
                loaded = True
                if not await self.reachable():
                    break
            elif problem is _GAP and resumed != done:
                resumed = done
                record = batch[done].record
                _log.error("the store lost records of %s before %d", record.writer, record.seq)
            elif problem is _ABANDONED:
                _log.warning("a call was settled after it was recorded as abandoned")
                batch[done:] = late(batch[done:])
            elif problem is not None:
                self.errors += 1
                _log.warning("a record was not taken: %s", problem)
                break
        return done, isinstance(problem, NothingRan)

    async def reachable(self) -> bool:
        """Whether the server answers; it has our functions then."""
        try:
            await self._load()
        except StoreUnavailable:
            return False
        return True

    async def _attempt(
        self, batch: Sequence[Settlement], *, resume: bool
    ) -> tuple[int, StoreUnavailable | None]:
        """How many were taken, and why the next one was not. `resume` is for the first."""
        calls = [settle_call(one, resume=resume and i == 0) for i, one in enumerate(batch)]
        if self._caller.ordered:
            sent = [self._caller.fcall(call.function, call.keys, call.args) for call in calls]
            if len(sent) > 1:  # one alone is awaited below
                await asyncio.gather(*sent, return_exceptions=True)
        else:
            sent = []
        for taken, call in enumerate(calls):
            reply = sent[taken] if sent else self._caller.fcall(call.function, call.keys, call.args)
            try:
                outcome, _ = read_settled(await reply)
            except StoreUnavailable as error:
                return taken, error
            if outcome == "gap":
                return taken, _GAP
            if outcome == "abandoned":
                return taken, _ABANDONED
        return len(calls), None
