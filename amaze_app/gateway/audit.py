"""What people have changed, whether the evidence is whole, and a copy of it; health."""

from __future__ import annotations

from collections.abc import Mapping

from amaze_app.gateway.desk import Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import told
from amaze_proxy.control.console import ADMIN_LOG, UNKNOWN_AGENT, Selection
from amaze_proxy.control.export import Begun
from amaze_proxy.control.integrity import Verdict
from amaze_proxy.policy.record import AuditRecord

ACTS, STRANGERS = ADMIN_LOG, UNKNOWN_AGENT
"""Whose records these are: acts of people, and calls without a valid credential."""


class AuditDesk(Desk):
    """For viewers and admins. All methods raise Refused and Outage."""

    async def newest(
        self, who: Principal, agent_id: str = ACTS, limit: int = 100
    ) -> tuple[AuditRecord, ...]:
        """The newest records of an agent, ACTS or STRANGERS, newest first."""
        with told():
            if agent_id in (ACTS, STRANGERS):
                self._needs(who, Need.READER)
            else:
                await self._readable(who, agent_id)
            return await self._services.agents.audit(agent_id, limit)

    async def verify(self, who: Principal, agent_id: str = "") -> Verdict:
        """Whether the evidence ("": all of it) is whole, with the place of each flaw."""
        self._needs(who, Need.READER)
        with told():
            return await self._services.integrity.verify(agent_id)

    async def export(
        self, who: Principal, agent_id: str = "", since_ms: int = 0, until_ms: int = 0
    ) -> Begun:
        """The chunks of a ZIP of the evidence; an Outage may come while it is read."""
        self._needs(who, Need.READER)
        with told():
            selection = Selection(agent_id, since_ms, until_ms)
            return await self._services.exporter.begin(selection)

    def public_key(self) -> str:
        """The key that checkpoints and exports are verified with, as PEM."""
        return str(self._services.signer.public_pem)


class HealthDesk(Desk):
    """How the platform is. Raises Refused and Outage."""

    async def parts(self, who: Principal) -> Mapping[str, str]:
        """Each part with `ok`, or with what is wrong."""
        self._needs(who, Need.VIEWER)
        with told():
            return await self._services.health.parts()
