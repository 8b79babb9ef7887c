"""What has changed lately, cheaply: for whoever shows what is here, and reads it anew only then."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import (
    AccessKeyRow,
    AccountRow,
    AgentRow,
    ClaimRow,
    EntryRow,
    PolicyHeadRow,
)


@dataclass(frozen=True, slots=True)
class Marks:
    """A text for each subject; another one than before: something of it was changed."""

    agents: str
    policies: str
    registry: str
    people: str
    calls: str


async def read_marks(database: Database) -> Marks:
    """How it is now. Raises HistoryUnavailable."""
    return await database.read(_marks)


def _marks(session: Session) -> Marks:
    agents = (func.count(), func.max(AgentRow.updated_ms))
    claims = (func.count(), func.max(ClaimRow.created_ms))
    entries = (func.count(), func.max(EntryRow.updated_ms), func.sum(EntryRow.claim_ms))
    accounts = (func.count(), func.max(AccountRow.updated_ms))
    keys = (func.count(), func.max(AccessKeyRow.created_ms))
    return Marks(
        agents=f"{_one(session, *agents)} {_one(session, *claims)}",
        policies=_one(session, func.count(), func.sum(PolicyHeadRow.version)),
        registry=_one(session, *entries),
        people=f"{_one(session, *accounts)} {_one(session, *keys)}",
        calls=_one(session, func.max(col(CallRow.id))),
    )


def _one(session: Session, *columns: object) -> str:
    row = session.execute(select(*columns)).one()  # type: ignore[call-overload]
    return ".".join(map(str, row))
