"""What agents have spent lately: what a sliding window is filled with again when it was lost."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session

from amaze_proxy.history.database import Database
from amaze_proxy.history.queries import CALL


@dataclass(frozen=True, slots=True)
class Spent:
    """In one bucket: the number of the stretch of time since the epoch."""

    bucket: int
    tokens: int
    cost_microusd: int


class SpendingHistory:
    """Raises HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(
        self, agent_id: str, since_ms: int, window_ms: int, buckets: int
    ) -> tuple[Spent, ...]:
        """By buckets, of which a window of `window_ms` milliseconds has so many; oldest first."""
        number = (CALL.ts * buckets // window_ms).label("number")
        spent = func.sum(CALL.tokens_in + CALL.tokens_out), func.sum(CALL.cost_microusd)
        query = select(number, *spent).where(CALL.agent_id == agent_id, CALL.ts >= since_ms)
        query = query.group_by("number").order_by("number")

        def work(session: Session) -> tuple[Spent, ...]:
            rows = session.connection().execute(query)
            return tuple(Spent(int(at), int(tokens), int(cost)) for at, tokens, cost in rows)

        return await self._database.read(work)
