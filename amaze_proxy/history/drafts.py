"""Drafts of policies that nobody has saved yet: one of each person for each agent."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlmodel import Session

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import DraftRow


@dataclass(frozen=True, slots=True)
class Draft:
    """A text that may be no policy yet. `seen` is the version that it began with (0: none);
    `layout` is JSON: where a picture of it has its nodes ("": nowhere in particular)."""

    account: str
    agent_id: str
    text: str
    seen: int
    layout: str
    updated_ms: int


class DraftHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account: str, agent_id: str) -> Draft | None:
        """What this person drafted for this agent."""

        def work(session: Session) -> Draft | None:
            row = session.get(DraftRow, (account, agent_id))
            return None if row is None else Draft(**row.model_dump())

        return await self._database.read(work)

    async def put(self, draft: Draft) -> None:
        """Keeps it in place of the last one."""

        def work(session: Session) -> None:
            session.merge(DraftRow(**asdict(draft)))

        await self._database.write(work)

    async def delete(self, account: str, agent_id: str, text: str | None = None) -> None:
        """Forgets it; where `text` is given, only if it is that one still."""

        def work(session: Session) -> None:
            row = session.get(DraftRow, (account, agent_id), with_for_update=True)
            if row is not None and text in (None, row.text):
                session.delete(row)

        await self._database.write(work)
