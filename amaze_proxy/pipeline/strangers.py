"""Records of callers that nobody vouches for: bounded, so that a stranger cannot fill the store.

A burst of refusals is recorded one by one; beyond that they are counted, and the next one that is
recorded says how many there were. What is refused stays refused either way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.keys import UNKNOWN_AGENT

BURST = 500
PER_SECOND = 20.0


class Strangers:
    """A token bucket over the records of unknown callers of one worker."""

    def __init__(
        self,
        burst: int = BURST,
        per_second: float = PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._clock = clock
        self._left = self._burst
        self._at = clock()
        self._skipped = 0
        self.unrecorded = 0
        """How many were only counted, since the start."""

    def worth(self, record: AuditRecord) -> AuditRecord | None:
        """The record to write; None: it is only counted. An agent's own is always written."""
        if record.agent_id != UNKNOWN_AGENT:
            return record
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            self._skipped += 1
            self.unrecorded += 1
            return None
        self._left -= 1
        skipped, self._skipped = self._skipped, 0
        if not skipped:
            return record
        words = f"{skipped} refusals of unknown callers before this one were only counted"
        return replace(record, error="; ".join(filter(None, (record.error, words))))
