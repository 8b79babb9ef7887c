"""Threads started while a message is handled belong to its turn.

Tasks inherit the context by themselves. Threads do not (before free-threaded 3.14), and a pool's
threads must not: they serve whoever submits, so the turn travels with the submitted call, and what
a pool's thread does beside (callbacks of a future) belongs to no turn rather than to a wrong one.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any

from amaze import egress
from amaze.context import carry, current_turn, turn


def patch() -> None:
    """Wrap `Thread.start` and `ThreadPoolExecutor.submit`."""
    start = threading.Thread.start
    submit = concurrent.futures.ThreadPoolExecutor.submit

    def start_in_turn(self: threading.Thread) -> None:
        if egress.current() is not None and current_turn() is not None:
            self.run = carry(self.run)  # type: ignore[method-assign]
        start(self)

    def submit_in_turn(
        self: concurrent.futures.ThreadPoolExecutor,
        fn: Callable[..., Any],
        /,
        *args: Any,
        **kwargs: Any,
    ) -> concurrent.futures.Future[Any]:
        call = carry(fn)
        with turn(None):  # it may start a thread of the pool, which outlives this turn
            return submit(self, call, *args, **kwargs)

    threading.Thread.start = start_in_turn  # type: ignore[method-assign]
    concurrent.futures.ThreadPoolExecutor.submit = submit_in_turn  # type: ignore[assignment,method-assign]
