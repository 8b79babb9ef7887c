"""What callers of the history can meet. Nothing of SQLAlchemy leaves this room."""

from __future__ import annotations


class HistoryError(Exception):
    """The history could not do what was asked."""


class HistoryUnavailable(HistoryError):
    """Locked, full, unreachable or unreadable: nothing was written."""


class HistoryMisconfigured(HistoryError):
    """The database URL or its driver cannot be used; the message says what to change."""


class HistoryLost(HistoryError):
    """The database has forgotten what it had committed: it crashed without its last commits, or a
    replica took over. Nothing was written."""


class RowMissing(HistoryError):
    """What should be read is not there."""


class NameHeld(HistoryError):
    """The name belongs to something of another kind: `kind` is `agent`, `mcp` or `llm`."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(f"{name} is the name of another thing: {kind}")
        self.name = name
        self.kind = kind
