"""The turn that the running code belongs to: it follows tasks by itself, threads by our doing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_turn: ContextVar[str | None] = ContextVar("amaze_turn", default=None)


def current_turn() -> str | None:
    """The token of the message being handled here, or None outside of any."""
    return _turn.get()


@contextmanager
def turn(token: str | None) -> Iterator[None]:
    """Make `token` the current turn inside the block."""
    reset = _turn.set(token)
    try:
        yield
    finally:
        _turn.reset(reset)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, bound to the turn of now: wherever and whenever it runs, it is part of it."""
    token = current_turn()

    @functools.wraps(function)
    def bound(*args: P.args, **kwargs: P.kwargs) -> R:
        with turn(token):
            return function(*args, **kwargs)

    return bound
