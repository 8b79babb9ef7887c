"""The names that agents, MCP servers and LLM hosts share: each is held by one of them."""

from __future__ import annotations

from sqlmodel import Session

from amaze_proxy.history.errors import NameHeld
from amaze_proxy.history.tables import NameRow


def take_name(session: Session, name: str, kind: str) -> None:
    """Holds the name for `kind`, in the caller's transaction. Raises NameHeld.

    A race of two takers ends at the primary key: the loser's transaction is run again.
    """
    row = session.get(NameRow, name)
    if row is None:
        session.add(NameRow(name=name, kind=kind))
    elif row.kind != kind:
        raise NameHeld(name, row.kind)


def free_name(session: Session, name: str, kind: str) -> None:
    """Gives the name up, if it is held for `kind`."""
    row = session.get(NameRow, name)
    if row is not None and row.kind == kind:
        session.delete(row)
