"""Where a page of an agent's records goes on: stream and archive have the same order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from amaze_proxy.history.cursors import unwrapped, wrapped
from amaze_proxy.policy.record import AuditRecord

_PLACE = re.compile(r"([0-9]{1,18}-[0-9]{1,18})\.([^\x00-\x1f\x7f]{0,200})")
_MOST = 1200  # characters


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """A page goes on behind this record: its entry in the stream, and its decision."""

    entry_id: str
    decision_id: str

    def __str__(self) -> str:
        return wrapped(f"{self.entry_id}.{self.decision_id[:200]}")


def read_audit_cursor(text: str) -> AuditCursor:
    """The cursor that was given out as `text`. Raises ValueError."""
    found = unwrapped(text, _PLACE, _MOST)
    if found is None:
        raise ValueError("is no cursor: use that of the Link of the page before")
    return AuditCursor(found[1], found[2])


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first; `following` is None at the end."""

    records: tuple[AuditRecord, ...]
    following: AuditCursor | None
