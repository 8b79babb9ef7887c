"""Who has guessed wrong waits, longer each time; by account and by address."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock

_MOST = 10_000
_FORGET_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class _Tries:
    count: int
    last_ms: int


class Lockout:
    """`allowed` attempts without a wait, then 1 s, 2 s, 4 s … up to `longest_ms`. Keeps the last
    10,000 sources: whoever fills that has made as many attempts from as many places."""

    def __init__(self, allowed: int, longest_ms: int, clock: Clock) -> None:
        self._allowed = allowed
        self._longest_ms = longest_ms
        self._clock = clock
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_ms(self, source: str) -> int:
        """How long `source` has to wait before another attempt; 0: go."""
        tries = self._known(source)
        if tries.count < self._allowed:
            return 0
        pause = min(self._longest_ms, 1000 << min(tries.count - self._allowed, 30))
        return max(0, tries.last_ms + pause - self._clock())

    def begin(self, source: str) -> None:
        """Counts an attempt when it begins, so that concurrent ones cannot all pass."""
        self._tries[source] = _Tries(self._known(source).count + 1, self._clock())
        self._tries.move_to_end(source)
        if len(self._tries) > _MOST:
            self._tries.popitem(last=False)

    def succeeded(self, source: str) -> None:
        """The last attempt was right: it does not count."""
        tries = self._tries.get(source)
        if tries is not None:
            self._tries[source] = _Tries(max(0, tries.count - 1), tries.last_ms)

    def forget(self, source: str) -> None:
        """Nothing that `source` did counts any more."""
        self._tries.pop(source, None)

    def _known(self, source: str) -> _Tries:
        tries = self._tries.get(source)
        if tries is None or self._clock() - tries.last_ms >= _FORGET_MS:
            return _Tries(0, 0)
        return tries


def subscriber(address: str) -> str:
    """One source of attempts: an IPv4 address, or the /64 that an IPv6 host picks from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
