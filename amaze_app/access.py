"""Who may use the UI: asked anew for every request, every event and every push."""

from __future__ import annotations

from amaze_app.gateway import Outage, Principal
from amaze_app.gateway.people import SessionDesk
from amaze_app.sessions import token_of


class Access:
    """The sessions of the platform: the same that the control API begins."""

    def __init__(self, sessions: SessionDesk) -> None:
        self.sessions = sessions

    async def principal(self, cookies: str, address: str) -> Principal | None:
        """Whose session a Cookie header names; None where nobody can be sure that there is one."""
        try:
            return await self.sessions.find(token_of(cookies), address)
        except Outage:
            return None
