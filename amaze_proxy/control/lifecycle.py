"""How an agent changes: pure functions from one record to the next, or a refusal.

They run inside the history's transaction, so each is a check and an act in one.
"""

from __future__ import annotations

from dataclasses import replace

from amaze_proxy.control.errors import (
    AgentBarred,
    AgentNotFound,
    BeingDeleted,
    ClaimChanged,
    ReleaseBarred,
    WrongState,
)
from amaze_proxy.control.keys import same
from amaze_proxy.history.agents import AgentRecord, Claim, Credential
from amaze_proxy.store.agents import AgentStatus

GRACE_MS = 10 * 60 * 1000
"""How long a credential works on after another one has taken its place."""

MOST_HELD = 16
"""How many credentials without an end an agent may have: one for each of its replicas."""


def existing(record: AgentRecord | None, agent_id: str) -> AgentRecord:
    """The agent that is there. Raises AgentNotFound."""
    if record is None or record.deleted:
        raise AgentNotFound(f"there is no agent {agent_id}: register it, or create it first")
    return record


def not_being_deleted(record: AgentRecord | None) -> AgentRecord | None:
    """The record, or None for a free id. Raises BeingDeleted for a tombstone."""
    if record is not None and record.deleted:
        raise BeingDeleted(
            f"{record.agent_id} was deleted a moment ago and the store still knows it: "
            "try again when GET /health reports redis as ok"
        )
    return record


def not_barred(record: AgentRecord) -> AgentRecord:
    """Raises AgentBarred for an agent that an operator has stopped."""
    if record.status in (AgentStatus.QUARANTINED, AgentStatus.REJECTED):
        undo = "release" if record.status == AgentStatus.QUARANTINED else "approve or delete"
        raise AgentBarred(
            f"{record.agent_id} is {record.status}: ask an operator to {undo} it first"
        )
    return record


def approve(record: AgentRecord, now: int, claim: str = "") -> AgentRecord:
    """Lets the agent work; hands an approved agent over to the registration that waits.

    `claim` names that registration (see `claim_name`), so that nobody approves another one than
    was looked at; with it, a new agent is approved and handed over at once.
    """
    if record.status == AgentStatus.QUARANTINED:
        raise WrongState(f"{record.agent_id} is quarantined: release it instead")
    if claim and (record.claim is None or not same(claim_name(record.claim), claim)):
        raise ClaimChanged(
            f"the registration {claim[:16]!r} of {record.agent_id} does not wait any more: "
            "look at the agent again"
        )
    takes_over = record.claim is not None and (bool(claim) or record.status == AgentStatus.APPROVED)
    if takes_over:
        record = _handed_over(record, now)
    if record.status == AgentStatus.APPROVED and not takes_over:
        return record
    return replace(record, status=str(AgentStatus.APPROVED), updated_ms=now)


def reject(record: AgentRecord, now: int) -> AgentRecord:
    """Refuses what waits: the second registration of an agent that works, or a new agent."""
    if record.status == AgentStatus.PENDING:
        return replace(record, status=str(AgentStatus.REJECTED), claim=None, updated_ms=now)
    if record.claim is not None:
        return replace(record, claim=None, updated_ms=now)
    if record.status == AgentStatus.REJECTED:
        return record
    raise WrongState(
        f"{record.agent_id} is {record.status} and nothing waits: quarantine it to stop it"
    )


def quarantine(record: AgentRecord, now: int, by: str = "", admin: bool = False) -> AgentRecord:
    """Stops the agent, whatever it is. An admin's word stands over an operator's quarantine, and
    an operator's changes nothing in an admin's."""
    stopped = record.status == AgentStatus.QUARANTINED
    if stopped and (record.admin_stopped or not admin):
        return record
    return replace(
        record,
        status=str(AgentStatus.QUARANTINED),
        released_status=record.released_status if stopped else record.status,
        quarantined_by=by,
        admin_stopped=admin,
        updated_ms=now,
    )


def release(record: AgentRecord, now: int, admin: bool = False) -> AgentRecord:
    """Ends the quarantine: the agent is again what it was before. Raises WrongState, and
    ReleaseBarred for an admin's quarantine where no admin asks."""
    if record.status != AgentStatus.QUARANTINED:
        raise WrongState(f"{record.agent_id} is {record.status}, not quarantined")
    if record.admin_stopped and not admin:
        raise ReleaseBarred(
            f"{record.agent_id} was quarantined by the admin {record.quarantined_by}: "
            "ask an admin to release it"
        )
    return replace(
        record,
        status=record.released_status,
        released_status="",
        quarantined_by="",
        admin_stopped=False,
        updated_ms=now,
    )


def owned(record: AgentRecord, now: int, owner: str) -> AgentRecord:
    """Another owner; "": nobody, so that admins alone change the agent."""
    return record if record.owner == owner else replace(record, owner=owner, updated_ms=now)


def rotate(record: AgentRecord, sha256: str, now: int, grace_ms: int = GRACE_MS) -> AgentRecord:
    """A new credential; those before end after `grace_ms`."""
    return replace(
        record,
        credentials=(*_ending(record, now, grace_ms), Credential(sha256, now)),
        updated_ms=now,
    )


def add(record: AgentRecord, sha256: str, now: int) -> AgentRecord:
    """One more credential beside those that work (another replica of the agent registered). Of
    more than MOST_HELD the oldest ends after the grace."""
    lasting = [held.sha256 for held in record.credentials if not held.expires_ms]
    crowded_out = lasting[: max(0, len(lasting) + 1 - MOST_HELD)]
    kept = (
        replace(held, expires_ms=now + GRACE_MS) if held.sha256 in crowded_out else held
        for held in record.credentials
    )
    return replace(record, credentials=(*kept, Credential(sha256, now)), updated_ms=now)


def listens(record: AgentRecord, now: int, host: str, port: int) -> AgentRecord:
    """Where the agent listens for A2A, as an operator knows it; its chat endpoint stays."""
    endpoints = replace(record.endpoints, a2a_host=host, a2a_port=port)
    if endpoints == record.endpoints:
        return record
    return replace(record, endpoints=endpoints, updated_ms=now)


def delete(record: AgentRecord, now: int) -> AgentRecord:
    """A tombstone: no credential, nothing that waits."""
    return replace(record, deleted=True, credentials=(), claim=None, updated_ms=now)


def holds(record: AgentRecord, sha256: str, now: int) -> bool:
    """Whether this is a working credential of the agent; compared in constant time."""
    working = (held for held in record.credentials if not held.expires_ms or held.expires_ms > now)
    return sum(same(held.sha256, sha256) for held in working) > 0


def holds_lasting(record: AgentRecord, sha256: str) -> bool:
    """Whether this is a credential without an end. One that was rotated out goes on calling for
    its grace, but proves nothing more: it may be the reason for the rotation."""
    lasting = (held for held in record.credentials if not held.expires_ms)
    return sum(same(held.sha256, sha256) for held in lasting) > 0


def claim_name(claim: Claim) -> str:
    """A name of a waiting registration that says nothing about its credential."""
    return claim.session_id[:16]


def _handed_over(record: AgentRecord, now: int) -> AgentRecord:
    claim = record.claim
    assert claim is not None  # noqa: S101  (the caller has looked)
    return replace(
        rotate(record, claim.sha256, now),
        session_id=claim.session_id,
        endpoints=claim.endpoints,
        claim=None,
    )


def _ending(record: AgentRecord, now: int, grace_ms: int) -> tuple[Credential, ...]:
    # at once means at once, also by the store's clock: its beginning of time is long past
    end = now + grace_ms if grace_ms else 1
    return tuple(
        replace(held, expires_ms=min(held.expires_ms or end, end)) for held in record.credentials
    )
