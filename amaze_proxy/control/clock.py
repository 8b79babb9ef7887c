"""The time of day, in milliseconds since the epoch."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]


def now_ms() -> int:
    """The system's clock."""
    return time.time_ns() // 1_000_000
