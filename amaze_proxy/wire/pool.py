"""Which idle connection serves the next request. Pure: says what to close, closes nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Pool(Generic[C]):
    """Idle connections by key; the one used last is taken first."""

    def __init__(self, max_idle_per_key: int, max_idle: int) -> None:
        self._max_per_key = max_idle_per_key
        self._max = max_idle
        self._by_key: dict[Hashable, list[C]] = {}
        self._keys: OrderedDict[C, Hashable] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, key: Hashable) -> C | None:
        """A connection for `key`, no longer in the pool; None when there is none."""
        idle = self._by_key.get(key)
        if idle is None:
            return None
        connection = idle.pop()
        if not idle:
            del self._by_key[key]
        del self._keys[connection]
        return connection

    def put(self, key: Hashable, connection: C) -> C | None:
        """Keep a connection; gives back the one to close when there are too many."""
        idle = self._by_key.setdefault(key, [])
        idle.append(connection)
        self._keys[connection] = key
        if len(idle) > self._max_per_key:
            return self._drop(idle[0])
        if len(self._keys) > self._max:
            return self._drop(next(iter(self._keys)))
        return None

    def discard(self, connection: C) -> None:
        """Forget a connection that is gone, if it is here."""
        if connection in self._keys:
            self._drop(connection)

    def clear(self) -> list[C]:
        """Empty the pool; gives back all that was in it."""
        everything = list(self._keys)
        self._keys.clear()
        self._by_key.clear()
        return everything

    def _drop(self, connection: C) -> C:
        key = self._keys.pop(connection)
        idle = self._by_key[key]
        idle.remove(connection)
        if not idle:
            del self._by_key[key]
        return connection
