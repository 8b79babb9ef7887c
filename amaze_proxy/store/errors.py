"""What callers of the store can meet. Nothing of redis leaves this room."""

from __future__ import annotations


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """Down, slow, full, read-only or answering nonsense: whoever asked must deny."""


class ConnectionLost(StoreUnavailable):
    """The connection ended before the reply: the command may have run, or not."""


class FunctionMissing(StoreUnavailable):
    """The server does not have our functions (restarted empty): nothing ran."""


class ServerStartError(StoreError):
    """The embedded server cannot be started; the message says what to do."""
