"""What callers of the store can meet. Nothing of redis leaves this room."""

from __future__ import annotations


class StoreError(Exception):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """Down, slow, full, read-only or answering nonsense: whoever asked must deny."""


class ConnectionLost(StoreUnavailable):
    """The connection ended before the reply: the command may have run, or not."""


class NothingRan(StoreUnavailable):
    """The command certainly did not run: it was never sent, or the server refused to begin."""


class FunctionMissing(NothingRan):
    """The server does not have our functions (restarted empty)."""


class ServerStartError(StoreError):
    """The embedded server cannot be started; the message says what to do."""
