"""What is done for the archive from time to time: checkpoints, retention."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.signing import Signer
from amaze_proxy.history.bundle import History

log = logging.getLogger(__name__)

CHECKPOINT_RECORDS = 1000
CHECKPOINT_EVERY_MS = 60_000
_PRUNE_EVERY_MS = 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long calls stay in the archive, in days; 0: for ever."""

    days: int = 0


class Upkeep:
    """All methods raise HistoryUnavailable."""

    def __init__(
        self, history: History, signer: Signer, clock: Clock, retention: Retention
    ) -> None:
        self._history = history
        self._signer = signer
        self._clock = clock
        self._retention = retention
        self._unsigned = 0
        self._sign_due = 0
        self._prune_due = 0
        self.checkpoints = 0  # signed since the start

    async def step(self, moved: int) -> None:
        """What is due now, with `moved` new records in the archive."""
        self._unsigned += moved
        now = self._clock()
        if self._unsigned >= CHECKPOINT_RECORDS or now >= self._sign_due:
            await self.sign()
        if self._retention.days and now >= self._prune_due and not await self.prune():
            self._prune_due = now + _PRUNE_EVERY_MS  # until then, some in every step

    async def sign(self) -> int:
        """A checkpoint over what no checkpoint covers; how many chains had news."""
        now = self._clock()
        signed = 0
        while part := await self._history.checkpoints.sign(
            now, self._signer.sign, self._signer.public_key
        ):
            signed += part
            self.checkpoints += 1
        self._unsigned, self._sign_due = 0, now + CHECKPOINT_EVERY_MS
        return signed

    async def prune(self) -> int:
        """Remove some of what is older than the retention; how many calls went."""
        now = self._clock()
        before = now - self._retention.days * _DAY_MS
        gone = await self._history.checkpoints.prune(
            before, now, self._signer.sign, self._signer.public_key
        )
        if gone:
            log.info("%d calls older than %d days left the archive", gone, self._retention.days)
        return gone
