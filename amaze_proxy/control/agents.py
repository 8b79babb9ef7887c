"""The agents, as operators and the agents themselves see and change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amaze_proxy.control import lifecycle
from amaze_proxy.control.addresses import free_endpoint
from amaze_proxy.control.audit_pages import AuditCursor, AuditPage
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import (
    AgentExists,
    NotInForce,
    OwnerUnknown,
    checked_id,
    names_told,
)
from amaze_proxy.control.keys import Secret, new_credential, sha256
from amaze_proxy.control.policies import draft
from amaze_proxy.control.publisher import Publisher
from amaze_proxy.history.agents import AgentRecord, Credential, Endpoints
from amaze_proxy.history.archive import entry_order
from amaze_proxy.history.bundle import History
from amaze_proxy.policy.model import Policy
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.keys import ADMIN_LOG, UNKNOWN_AGENT
from amaze_proxy.store.store import Store

NOWHERE = Endpoints()
Transition = Callable[[AgentRecord, int], AgentRecord]


@dataclass(frozen=True, slots=True)
class Issued:
    """An agent with a credential that is shown here once. `in_force`: the store has it too."""

    record: AgentRecord
    credential: Secret
    in_force: bool


class Agents:
    """Every change goes to the history first, then to the store."""

    def __init__(self, history: History, store: Store, publisher: Publisher, clock: Clock) -> None:
        self._history = history
        self._store = store
        self._publisher = publisher
        self._clock = clock

    async def get(self, agent_id: str) -> AgentRecord:
        """Raises InvalidId, AgentNotFound, HistoryUnavailable."""
        record = await self._history.agents.get(checked_id(agent_id))
        return lifecycle.existing(record, agent_id)

    async def page(self, status: str, after: str, limit: int) -> tuple[AgentRecord, ...]:
        """At most `limit` agents by id, those after `after`; `status` "" for all."""
        return tuple(await self._history.agents.list(status, after, limit))

    async def create(
        self,
        agent_id: str,
        *,
        author: str,
        owner: str = "",
        policy: Policy | None = None,
        endpoints: Endpoints = NOWHERE,
        idempotency_key: str | None = None,
    ) -> Issued:
        """An approved agent, with its policy if one is given.

        The same `idempotency_key` again gives the same agent a further credential: the first one
        was lost with its answer, and is not kept anywhere to be shown again. Raises InvalidId,
        AgentExists, NameTaken, EndpointTaken, BeingDeleted, HistoryUnavailable.
        """
        now = self._clock()
        credential = new_credential(checked_id(agent_id))
        await free_endpoint(self._history, agent_id, endpoints.a2a_host, endpoints.a2a_port)
        made_by = sha256(f"{author}\0{idempotency_key}") if idempotency_key else ""
        new = draft(agent_id, policy, author, now, "with the agent") if policy else None

        def made(record: AgentRecord | None) -> AgentRecord:
            if lifecycle.not_being_deleted(record) is not None:
                raise AgentExists(
                    f"there is an agent {agent_id} already: rotate its credential, or delete it"
                )
            return AgentRecord(
                agent_id=agent_id,
                status=str(AgentStatus.APPROVED),
                created_ms=now,
                updated_ms=now,
                owner=owner,
                endpoints=endpoints,
                created_by=made_by,
                credentials=(Credential(credential.sha256, now),),
            )

        try:
            with names_told():
                record = await self._history.agents.change(agent_id, made, new)
        except AgentExists:
            if not made_by or (await self.get(agent_id)).created_by != made_by:
                raise
            return await self._issue(agent_id, credential, lifecycle.GRACE_MS)
        return Issued(record, credential, await self._publisher.publish(agent_id))

    async def rotate(self, agent_id: str, grace_ms: int = lifecycle.GRACE_MS) -> Issued:
        """A new credential; those before end after `grace_ms`. Raises AgentBarred and as `get`."""
        return await self._issue(agent_id, new_credential(checked_id(agent_id)), grace_ms)

    async def approve(self, agent_id: str, claim: str = "") -> AgentRecord:
        """See `lifecycle.approve`. Raises WrongState, ClaimChanged, EndpointTaken, NotInForce and
        as `get`."""
        record = await self.get(agent_id)
        asked = record.claim.endpoints if record.claim else record.endpoints
        await free_endpoint(self._history, agent_id, asked.a2a_host, asked.a2a_port)
        return await self._move(
            agent_id, lambda record, now: lifecycle.approve(record, now, claim), "approval"
        )

    async def reject(self, agent_id: str) -> AgentRecord:
        """See `lifecycle.reject`. Raises WrongState, NotInForce and as `get`."""
        return await self._move(agent_id, lifecycle.reject, "rejection")

    async def quarantine(self, agent_id: str, *, by: str = "", admin: bool = False) -> AgentRecord:
        """See `lifecycle.quarantine`; `by` is who asks, `admin` whether that is an admin. Raises
        NotInForce and as `get`."""
        return await self._move(
            agent_id, lambda record, now: lifecycle.quarantine(record, now, by, admin), "quarantine"
        )

    async def release(self, agent_id: str, *, admin: bool = False) -> AgentRecord:
        """See `lifecycle.release`. Raises WrongState, ReleaseBarred, NotInForce and as `get`."""
        return await self._move(
            agent_id, lambda record, now: lifecycle.release(record, now, admin), "release"
        )

    async def set_owner(self, agent_id: str, owner: str) -> AgentRecord:
        """The user whose agent it is; "": nobody's. Raises OwnerUnknown, NotInForce and as
        `get`."""
        checked_id(agent_id)
        if owner and await self._history.accounts.get(owner) is None:
            raise OwnerUnknown(
                f"there is no user {owner[:80]!r}: make the account first (POST /auth/users), "
                'or give "" for nobody'
            )
        return await self._move(
            agent_id, lambda record, now: lifecycle.owned(record, now, owner), "owner"
        )

    async def set_endpoint(self, agent_id: str, host: str, port: int) -> AgentRecord:
        """Where the agent listens for A2A (empty host, port 0: it does not).

        Raises EndpointTaken, NotInForce and as `get`.
        """
        await free_endpoint(self._history, checked_id(agent_id), host, port)
        return await self._move(
            agent_id, lambda record, now: lifecycle.listens(record, now, host, port), "endpoint"
        )

    async def delete(self, agent_id: str) -> None:
        """The agent, its credentials and its active policy; versions and records stay.

        Raises NotInForce and as `get`.
        """
        await self._move(agent_id, lifecycle.delete, "deletion")

    async def audit(self, agent_id: str, limit: int) -> tuple[AuditRecord, ...]:
        """The first page of `audit_page`."""
        return (await self.audit_page(agent_id, limit)).records

    async def audit_page(
        self, agent_id: str, limit: int, before: AuditCursor | None = None
    ) -> AuditPage:
        """Its newest records first, also of an agent that was deleted; UNKNOWN_AGENT for calls
        without a valid credential, ADMIN_LOG for what people have changed. Raises InvalidId,
        StoreUnavailable, HistoryUnavailable."""
        known = agent_id if agent_id in (UNKNOWN_AGENT, ADMIN_LOG) else checked_id(agent_id)
        first = before.entry_id if before else ""
        entries = await self._store.audit.newest(known, limit + 1, first)
        found = [(entry.entry_id, entry.record) for entry in entries]
        if len(found) <= limit:  # the stream was trimmed behind the archive
            last = before
            if found:
                last = AuditCursor(found[-1][0], found[-1][1].decision_id)
            place = (last.entry_id, last.decision_id) if last else None
            older = await self._history.archive.newest(known, limit + 1, place)
            oldest = entry_order(last.entry_id) if last else None
            found += [
                (one.entry_id, one.record)
                for one in older
                if oldest is None or entry_order(one.entry_id) < oldest
            ]
        page = found[:limit]
        follows = AuditCursor(page[-1][0], page[-1][1].decision_id) if len(found) > limit else None
        return AuditPage(tuple(record for _, record in page), follows)

    async def _issue(self, agent_id: str, credential: Secret, grace_ms: int) -> Issued:
        now = self._clock()

        def rotated(record: AgentRecord | None) -> AgentRecord:
            there = lifecycle.not_barred(lifecycle.existing(record, agent_id))
            return lifecycle.rotate(there, credential.sha256, now, grace_ms)

        record = await self._history.agents.change(agent_id, rotated)
        return Issued(record, credential, await self._publisher.publish(agent_id))

    async def _move(self, agent_id: str, transition: Transition, what: str) -> AgentRecord:
        now = self._clock()
        record = await self._history.agents.change(
            checked_id(agent_id),
            lambda record: transition(lifecycle.existing(record, agent_id), now),
        )
        if not await self._publisher.publish(agent_id):
            raise NotInForce(
                f"the {what} of {agent_id} is saved but not yet in force: the store does not "
                "answer. It follows by itself as soon as the store is back (GET /health)"
            )
        return record
