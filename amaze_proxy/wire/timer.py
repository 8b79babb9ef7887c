"""A deadline that is moved on every request and hardly ever fires."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls `expire` once the armed time has passed.

    Moving the deadline later costs no timer: the one that is set fires early, sees the new time
    and sets itself again. A keep-alive connection so needs one timer a minute, not two a request.
    """

    __slots__ = ("_expire", "_handle", "_loop", "_scheduled", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, expire: Callable[[], None]) -> None:
        self._loop = loop
        self._expire = expire
        self._when = math.inf
        self._scheduled = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, seconds: float) -> None:
        """Expire `seconds` from now, instead of whatever was armed."""
        self._when = when = self._loop.time() + seconds
        if self._handle is not None:
            if self._scheduled <= when:
                return
            self._handle.cancel()
        self._schedule(when)

    def disarm(self) -> None:
        """Do not expire until armed again."""
        self._when = math.inf

    def close(self) -> None:
        """Disarm, and let go of the timer (and so of what `expire` is bound to)."""
        self._when = math.inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self, when: float) -> None:
        self._scheduled = when
        self._handle = self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        if self._when == math.inf:
            return
        if self._loop.time() < self._when:
            self._schedule(self._when)
            return
        self._when = math.inf
        self._expire()
