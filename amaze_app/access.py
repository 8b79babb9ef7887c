"""Who may use the UI: asked anew for every request, every event and every push."""

from __future__ import annotations

from amaze_app.gateway import ADMIN, Gateway, Outage, sha256
from amaze_app.sessions import Session, Sessions, token_of


class Access:
    """Sessions of people who have shown an admin API key that is still valid."""

    def __init__(self, gateway: Gateway, sessions: Sessions) -> None:
        self._gateway = gateway
        self._sessions = sessions

    async def sign_in(self, key: str) -> str | None:
        """The token of a new session; None for a key that opens nothing. Raises Outage."""
        role = await self._gateway.role_of(key)
        return self._sessions.begin(role, sha256(key)) if role == ADMIN else None

    def sign_out(self, cookies: str) -> None:
        """Ends the session of a Cookie header."""
        self._sessions.end(token_of(cookies))

    async def session(self, cookies: str) -> Session | None:
        """The session of a Cookie header; None where nobody can be sure that there is one."""
        token = token_of(cookies)
        found = self._sessions.find(token)
        if found is None:
            return None
        try:
            role = await self._gateway.role_of_sha256(found.key_sha256)
        except Outage:
            return None
        if role != found.role:
            self._sessions.end(token)
            return None
        return found
