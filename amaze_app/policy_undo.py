"""What was there before, and what was taken back. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT = 50


@dataclass(frozen=True)
class History(Generic[T]):
    """States of one thing; those before and after the present one, at most KEPT of each."""

    present: T
    past: tuple[T, ...] = ()
    future: tuple[T, ...] = ()

    def then(self, state: T) -> History[T]:
        """With this state as the present one, whoever made it; nothing new: as it was."""
        if state == self.present:
            return self
        return History(state, (*self.past, self.present)[-KEPT:])

    def undone(self) -> History[T]:
        """One state back."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (self.present, *self.future)[:KEPT])

    def redone(self) -> History[T]:
        """One state forth."""
        if not self.future:
            return self
        return History(self.future[0], (*self.past, self.present)[-KEPT:], self.future[1:])
