"""The rate limit of signing in: a few failures a minute from one address."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from collections.abc import Callable

ALLOWED = 5
WINDOW_S = 60.0
_MOST = 10_000


class Attempts:
    """Counts attempts when they begin, so that concurrent ones cannot all pass."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, deque[float]] = {}

    def begin(self, address: str) -> float:
        """Seconds to wait before another attempt; 0.0: go, and it is counted."""
        now = self._clock()
        source = _source(address)
        begun = self._begun.pop(source, None) or deque()
        self._begun[source] = begun  # to the end: the first one is the longest unused
        if len(self._begun) > _MOST:
            self._begun.pop(next(iter(self._begun)))
        while begun and begun[0] <= now - WINDOW_S:
            begun.popleft()
        if len(begun) >= ALLOWED:
            return begun[0] + WINDOW_S - now
        begun.append(now)
        return 0.0

    def succeeded(self, address: str) -> None:
        """Forgets the attempts of somebody who has signed in."""
        self._begun.pop(_source(address), None)


def _source(address: str) -> str:
    """One subscriber: an IPv4 address, or the /64 that an IPv6 host picks its addresses from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
