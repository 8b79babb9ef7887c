"""What people have changed, whether the evidence is whole, and a copy of it."""

from __future__ import annotations

from amaze_app.gateway.desk import Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.console import (
    ADMIN_LOG,
    UNKNOWN_AGENT,
    Checkpoint,
    RecordFilter,
    RecordLine,
    RecordPage,
    Selection,
    read_cursor,
)
from amaze_proxy.control.export import Begun
from amaze_proxy.control.integrity import Found, Verdict
from amaze_proxy.control.services import Services
from amaze_proxy.policy.record import AuditRecord

__all__ = [
    "ACTS",
    "STRANGERS",
    "AuditDesk",
    "AuditRecord",
    "Found",
    "RecordFilter",
    "RecordLine",
    "Verdict",
]

ACTS, STRANGERS = ADMIN_LOG, UNKNOWN_AGENT
"""Whose records these are: acts of people, and calls without a valid credential."""


class AuditDesk(Desk):
    """For viewers and admins. All methods raise Refused and Outage."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._verifying = False

    async def page(
        self, who: Principal, filter_: RecordFilter, cursor: str = "", limit: int = 50
    ) -> RecordPage:
        """Records, newest first; `cursor` is `str(page.following)` of the page before."""
        self._needs(who, Need.READER)
        try:
            place = read_cursor(cursor) if cursor else None
        except ValueError as error:
            raise Refused(f"the page {error}") from None
        with told():
            return await self._services.history.records.page(filter_, place, limit)

    async def record(self, who: Principal, decision_id: str) -> AuditRecord:
        """One record with its bodies."""
        self._needs(who, Need.READER)
        with told():
            found = await self._services.history.records.get(decision_id)
        if found is None:
            raise Refused("there is no such record: retention may have removed it")
        return found

    async def checkpoints(self, who: Principal, limit: int = 10) -> tuple[Checkpoint, ...]:
        """The last signed checkpoints, newest first."""
        self._needs(who, Need.READER)
        with told():
            return tuple(await self._services.history.checkpoints.newest(limit))

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

    async def verify(
        self, who: Principal, agent_id: str = "", progress: Verdict | None = None
    ) -> Verdict:
        """Whether the evidence ("": all of it) is whole, with the place of each flaw; gathered in
        `progress`. One at a time: it reads all that there is."""
        self._needs(who, Need.READER)
        if self._verifying:
            raise Refused("a check is running already: wait until it is through")
        self._verifying = True
        try:
            with told():
                return await self._services.integrity.verify(agent_id, progress)
        finally:
            self._verifying = False

    async def export(
        self, who: Principal, agent_id: str = "", since_ms: int = 0, until_ms: int = 0
    ) -> Begun:
        """The chunks of a ZIP of the evidence; an Outage may come while it is read."""
        self._needs(who, Need.READER)
        with told():
            selection = Selection(agent_id, since_ms, until_ms)
            return await self._services.exporter.begin(selection)

    def public_key(self, who: Principal) -> str:
        """The key that checkpoints and exports are verified with, as PEM."""
        self._needs(who, Need.READER)
        return self._services.signer.public_pem.decode()
