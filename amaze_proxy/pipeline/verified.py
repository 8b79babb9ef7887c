"""Credentials that the store has lately called good, as this worker remembers it.

Never a reason to let a call pass: every call is admitted by the store. It opens tunnels without
asking again, and it says whose call it was that could not be admitted because the store is away.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from amaze_proxy.pipeline.identity import Claim

LATELY_S = 30.0
"""A credential that was good so lately is still taken for good where the store says so once more
before anything is done: opening a tunnel, taking in a large body, asking two things at once."""


class Verified:
    """The claims verified last, with the time of that; bounded."""

    def __init__(self, size: int = 10_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._times: OrderedDict[Claim, float] = OrderedDict()

    def note(self, claim: Claim) -> None:
        """The store has just called it good."""
        self._times[claim] = self._clock()
        self._times.move_to_end(claim)
        if len(self._times) > self._size:
            self._times.popitem(last=False)

    def forget(self, claim: Claim) -> None:
        """The store has just refused it."""
        self._times.pop(claim, None)

    def within(self, claim: Claim, seconds: float) -> bool:
        """Whether it was good so lately."""
        at = self._times.get(claim)
        return at is not None and self._clock() - at <= seconds
