"""Drafts of policies: each person's own, for the agents that this person may change."""

from __future__ import annotations

from amaze_app.gateway.desk import Desk
from amaze_app.gateway.principal import Principal
from amaze_app.gateway.refusals import told
from amaze_proxy.control.drafts import MOST_LAYOUT, MOST_TEXT, Draft

__all__ = ["MOST_LAYOUT", "MOST_TEXT", "Draft", "DraftDesk"]


class DraftDesk(Desk):
    """All methods raise Refused and Outage."""

    async def get(self, who: Principal, agent_id: str) -> Draft | None:
        """The draft; None where there is none."""
        with told():
            await self._readable(who, agent_id)
            return await self._services.drafts.get(who.name, agent_id)

    async def keep(
        self, who: Principal, agent_id: str, text: str, seen: int, layout: str = ""
    ) -> None:
        """Keeps it in place of the last one; `seen` is the version it began with (0: none)."""
        with told():
            await self._changeable(who, agent_id)
            await self._services.drafts.keep(who.name, agent_id, text, seen, layout)

    async def drop(self, who: Principal, agent_id: str, text: str | None = None) -> None:
        """Forgets it; where `text` is given, only if it is that one still."""
        with told():
            await self._changeable(who, agent_id)
            await self._services.drafts.drop(who.name, agent_id, text)
