"""An agent's last hour by minute, straight from the store: not behind by what the archive is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from amaze_proxy.control.clock import Clock
from amaze_proxy.store.errors import StoreError
from amaze_proxy.store.series import MINUTE_MS, Metric, Series, Sum

_MINUTES = 60


class Live:
    """Reads what `settle` has added to the time series."""

    def __init__(self, series: Series, clock: Clock) -> None:
        self._series = series
        self._clock = clock

    async def last_hour(self, agent_id: str) -> Mapping[str, Sequence[Sum]] | None:
        """The sums of each metric; None where the store has no time series, or does not answer:
        the same numbers are in SQL."""
        until = (self._clock() // MINUTE_MS + 1) * MINUTE_MS
        since = until - _MINUTES * MINUTE_MS
        try:
            found = await asyncio.gather(
                *(self._series.range(agent_id, metric, since, until) for metric in Metric)
            )
        except StoreError:
            return None
        sums = [one for one in found if one is not None]
        return dict(zip(map(str, Metric), sums, strict=True)) if len(sums) == len(Metric) else None
