"""Registration: an agent makes itself known. Nobody takes over an existing agent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from enum import Enum

from amaze_proxy.control import lifecycle
from amaze_proxy.control.addresses import free_endpoint
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.errors import (
    EnrolmentRefused,
    EnrolmentRequired,
    TooManyPending,
    checked_id,
    names_told,
)
from amaze_proxy.control.keys import Secret, new_credential, owner_of, same, sha256
from amaze_proxy.control.publisher import Publisher
from amaze_proxy.history.agents import AgentRecord, Claim, Credential, Endpoints
from amaze_proxy.history.bundle import History
from amaze_proxy.store.agents import AgentStatus

MAX_PENDING = 1000
"""How many new agents may wait for approval: registering must not fill the store."""


class Proof(Enum):
    """What a registration shows besides its own word."""

    NONE = "none"
    CREDENTIAL = "credential"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer. `bearer_token` is shown here once; `status` is what it is good for: `pending`
    also for a registration of an approved agent that an operator has to approve."""

    agent_id: str
    session_id: str
    bearer_token: str = field(repr=False)
    status: str
    in_force: bool


def enrolled(config: ControlConfig, enroll_key: str | None) -> bool:
    """Whether an enrolment key was shown, and is right. Raises EnrolmentRefused for a wrong one."""
    if enroll_key is None:
        return False
    expected = config.enroll_key_sha256
    if expected is None or not same(expected, sha256(enroll_key)):
        raise EnrolmentRefused(
            "the enrolment key is wrong: set AMAZE_ENROLL_KEY where this registers to the one "
            "that the control plane was started with"
        )
    return True


class Registration:
    """Takes registrations by the rules of the installation."""

    def __init__(
        self, config: ControlConfig, history: History, publisher: Publisher, clock: Clock
    ) -> None:
        self._config = config
        self._history = history
        self._publisher = publisher
        self._clock = clock

    async def register(
        self,
        agent_id: str,
        endpoints: Endpoints,
        *,
        enroll_key: str | None = None,
        bearer: str | None = None,
    ) -> Registered:
        """A credential for the agent, which works by what the registration could prove.

        With its current credential an agent keeps that one, so that its replicas do not end each
        other's. With the enrolment key it gets one more.

        Raises InvalidId, EndpointTaken, EnrolmentRequired, EnrolmentRefused, AgentBarred,
        BeingDeleted, TooManyPending, NameTaken, HistoryUnavailable.
        """
        enrolled = self._enrolled(checked_id(agent_id), enroll_key, bearer)
        await free_endpoint(self._history, agent_id, endpoints.a2a_host, endpoints.a2a_port)
        room = await self._history.agents.count(AgentStatus.PENDING) < MAX_PENDING
        entry = _Entry(
            agent_id=agent_id,
            endpoints=endpoints,
            secret=new_credential(agent_id),
            session_id=secrets.token_hex(16),
            now=self._clock(),
            enrolled=enrolled,
            open=self._config.registration is RegistrationMode.OPEN,
            shown_sha256=sha256(bearer) if bearer else "",
            room=room,
        )
        with names_told():
            record = await self._history.agents.change(agent_id, entry.apply)
        in_force = await self._publisher.publish(agent_id)
        waits = record.session_id != entry.session_id
        status = str(AgentStatus.PENDING) if waits else record.status
        kept = not waits and bearer and lifecycle.holds_lasting(record, sha256(bearer))
        token = bearer if kept and bearer else entry.secret.text
        return Registered(agent_id, entry.session_id, token, status, in_force)

    def _enrolled(self, agent_id: str, enroll_key: str | None, bearer: str | None) -> bool:
        """Whether the enrolment key is right. Raises for proof that is plainly wrong: to go on
        without it would make a rival registration out of a typing error."""
        if bearer is not None and owner_of(bearer) != agent_id:
            raise EnrolmentRefused(
                f"X-Amaze-Bearer is not a credential of {agent_id}: send this agent's own, or none"
            )
        return enrolled(self._config, enroll_key)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One registration, and what it makes of the agent."""

    agent_id: str
    endpoints: Endpoints
    secret: Secret
    session_id: str
    now: int
    enrolled: bool
    open: bool
    shown_sha256: str
    room: bool

    def apply(self, record: AgentRecord | None) -> AgentRecord:
        record = lifecycle.not_being_deleted(record)
        proof = self._proof(record)
        if proof is Proof.NONE and not self.open:
            raise EnrolmentRequired(
                "registration needs proof here: set AMAZE_ENROLL_KEY, or use a credential "
                f"that an operator made with `amaze agents create {self.agent_id}`"
            )
        if record is None:
            return self._new()
        lifecycle.not_barred(record)
        return self._claim(record) if proof is Proof.NONE else self._renewed(record, proof)

    def _proof(self, record: AgentRecord | None) -> Proof:
        if record and self.shown_sha256 and lifecycle.holds_lasting(record, self.shown_sha256):
            return Proof.CREDENTIAL
        if self.enrolled:
            return Proof.ENROLMENT
        return Proof.NONE

    def _new(self) -> AgentRecord:
        if not self.room:
            raise TooManyPending(
                f"{MAX_PENDING} agents wait for approval already: approve, reject or delete some"
            )
        return AgentRecord(
            agent_id=self.agent_id,
            status=str(AgentStatus.PENDING),
            created_ms=self.now,
            updated_ms=self.now,
            session_id=self.session_id,
            endpoints=self.endpoints,
            credentials=(Credential(self.secret.sha256, self.now),),
        )

    def _renewed(self, record: AgentRecord, proof: Proof) -> AgentRecord:
        if proof is Proof.ENROLMENT:
            record = lifecycle.add(record, self.secret.sha256, self.now)
        return replace(
            record, session_id=self.session_id, endpoints=self.endpoints, updated_ms=self.now
        )

    def _claim(self, record: AgentRecord) -> AgentRecord:
        claim = Claim(self.secret.sha256, self.session_id, self.endpoints, self.now)
        return replace(record, claim=claim, updated_ms=self.now)
