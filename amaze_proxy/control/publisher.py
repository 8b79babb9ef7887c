"""Publishes agents: what the history says of them becomes what the store says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.publishing import Publishing
from amaze_proxy.history.agents import AgentRecord, Endpoints
from amaze_proxy.history.bundle import History
from amaze_proxy.history.policies import PolicyVersion
from amaze_proxy.policy.decision import Limit
from amaze_proxy.policy.model import load_policy
from amaze_proxy.policy.problems import PolicyError
from amaze_proxy.policy.usage import Measure
from amaze_proxy.store.agents import Agent, AgentStatus, Endpoint
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.store import Store
from amaze_proxy.store.windows import BUCKETS

_FORGET_MS = 24 * 3600 * 1000  # hashes of ended credentials are kept that long


@dataclass(frozen=True, slots=True)
class _Truth:
    """What the history says of an agent."""

    record: AgentRecord | None
    policy: PolicyVersion | None

    @property
    def alive(self) -> bool:
        return self.record is not None and not self.record.deleted


class Publisher(Publishing):
    """Publishes agents, with their credentials and policies."""

    def __init__(self, history: History, store: Store, clock: Clock) -> None:
        super().__init__()
        self._history = history
        self._store = store
        self._clock = clock

    async def _everything(self) -> Iterable[str]:
        agents = [record.agent_id for record in await self._history.agents.list()]
        return {*agents, *await self._history.policies.heads()}

    async def _missing(self, agent_id: str) -> bool:
        truth = await self._truth(agent_id)
        if truth.policy and await self._store.policies.get(agent_id) is None:
            return True
        return truth.alive and await self._store.agents.get(agent_id) is None

    async def _bring(self, agent_id: str) -> bool:
        truth = await self._truth(agent_id)
        while True:
            accepted = await self._apply(agent_id, truth)
            after = await self._truth(agent_id)
            if after == truth and accepted:
                break
            if after == truth:
                # a version that the history does not know: its database was replaced by another
                await self._store.policies.withdraw(agent_id)
            truth = after
        await self._forget(truth.record)
        return truth.alive or truth.policy is not None

    async def _truth(self, agent_id: str) -> _Truth:
        return _Truth(
            await self._history.agents.get(agent_id),
            await self._history.policies.active(agent_id),
        )

    async def _apply(self, agent_id: str, truth: _Truth) -> bool:
        """Whether the store has this policy now. An agent that the store does not know gets its
        policy first, and what it has spent: until it is known itself, it can do nothing."""
        record = truth.record
        if record is not None and record.deleted:
            await self._store.agents.delete(agent_id)
            await self._history.agents.purge(agent_id)
        accepted = await self._apply_policy(agent_id, truth.policy)
        if record is not None and not record.deleted:
            await self._apply_agent(record, truth.policy)
        return accepted

    async def _apply_policy(self, agent_id: str, policy: PolicyVersion | None) -> bool:
        """Whether the store has it now; False when it has a newer version."""
        policies = self._store.policies
        if policy is None:
            await policies.withdraw(agent_id)
            return True
        return await policies.publish(agent_id, policy.version, policy.sha256, policy.document)

    async def _apply_agent(self, record: AgentRecord, policy: PolicyVersion | None) -> None:
        agents = self._store.agents
        wanted = _agent(record)
        found = await agents.get(record.agent_id)
        if found is None:
            if policy is not None:
                await self._restore_windows(record.agent_id, policy)
            await agents.create(wanted)
        elif found != wanted:
            await self._update(wanted)
        await self._apply_credentials(record)

    async def _update(self, wanted: Agent) -> None:
        agents, agent_id = self._store.agents, wanted.agent_id
        _still_there(await agents.set_status(agent_id, wanted.status))
        _still_there(await agents.set_endpoint(agent_id, wanted.endpoint))
        _still_there(await agents.set_session(agent_id, wanted.session_id))
        _still_there(await agents.set_owner(agent_id, wanted.owner))

    async def _restore_windows(self, agent_id: str, policy: PolicyVersion) -> None:
        """A store that was emptied must not open again what is spent."""
        for limit in _windows(policy):
            since = self._clock() - limit.window_ms * (BUCKETS + 1) // BUCKETS
            spent = await self._history.spending.since(agent_id, since, limit.window_ms, BUCKETS)
            tokens = limit.measure is Measure.TOKENS
            amounts = [(one.bucket, one.tokens if tokens else one.cost_microusd) for one in spent]
            await self._store.windows.restore(agent_id, limit.name, limit.window_ms, amounts)

    async def _apply_credentials(self, record: AgentRecord) -> None:
        agents, agent_id, claim = self._store.agents, record.agent_id, record.claim
        for held in record.credentials:
            _still_there(
                await agents.add_credential(agent_id, held.sha256, expires_ms=held.expires_ms)
            )
        await agents.drop_pending(agent_id)
        if claim is not None:
            _still_there(await agents.add_credential(agent_id, claim.sha256, pending=True))
            _still_there(
                await agents.set_endpoint(agent_id, _endpoint(claim.endpoints), pending=True)
            )

    async def _forget(self, record: AgentRecord | None) -> None:
        before = self._clock() - _FORGET_MS
        if record and any(0 < held.expires_ms < before for held in record.credentials):
            await self._history.agents.forget_expired(record.agent_id, before)


def _windows(policy: PolicyVersion) -> list[Limit]:
    try:
        limits = load_policy(policy.document).llm_limits
    except PolicyError:
        return []  # the proxy cannot read it either, and refuses everything
    return [limit for limit in limits if limit.window_ms]


def _agent(record: AgentRecord) -> Agent:
    return Agent(
        agent_id=record.agent_id,
        status=AgentStatus(record.status),
        owner=record.owner,
        endpoint=_endpoint(record.endpoints),
        pending_endpoint=None if record.claim is None else _endpoint(record.claim.endpoints),
        session_id=record.session_id,
        created_ms=record.created_ms,
    )


def _endpoint(endpoints: Endpoints) -> Endpoint:
    return Endpoint(**asdict(endpoints))


def _still_there(answer: bool) -> None:
    if not answer:
        raise StoreUnavailable("the store lost the agent while it was written")
