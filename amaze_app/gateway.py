"""The platform, as the UI sees it: the only importer of `amaze_proxy.control`.

Errors are `Refused` (the operator can do something about it) and `Outage` (a part of the platform
does not answer); both texts are for people to read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.control import keys
from amaze_proxy.control.console import OUTAGES, AgentRecord, Console, Endpoints, open_console
from amaze_proxy.control.errors import ControlError
from amaze_proxy.control.lifecycle import claim_name
from amaze_proxy.controller import control_config, database_url
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.settings import Settings

ADMIN = keys.ADMIN


class Refused(Exception):
    """The platform refuses what was asked."""


class Outage(Exception):
    """The store or the database does not answer."""


class Action(StrEnum):
    """What an operator does to an agent."""

    APPROVE = "approve"
    REJECT = "reject"
    QUARANTINE = "quarantine"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent. `claim` names a second registration that waits ("": none), `claim_from` is where
    that one listens; times in milliseconds since the epoch."""

    agent_id: str
    status: str
    owner: str
    created_ms: int
    updated_ms: int
    claim: str
    claim_ms: int
    claim_from: str


@dataclass(frozen=True, slots=True)
class AgentPage:
    """A page of agents by id; `following` is where the next one begins ("": this is the last)."""

    agents: tuple[AgentView, ...]
    following: str


class Gateway:
    """All methods raise Outage."""

    def __init__(self, console: Console) -> None:
        self._services = console.services
        self._evidence = console.evidence

    async def role_of(self, key: str) -> str | None:
        """The role of an API key, None for an unknown one."""
        with _told():
            return await keys.role_of(self._services.history, key)

    async def role_of_sha256(self, key_sha256: str) -> str | None:
        """The same for a key that was shown before: it may have been replaced since."""
        with _told():
            found = await self._services.history.keys.find(key_sha256)
        return None if found is None else found.role

    async def agents(self, status: str, after: str, limit: int) -> AgentPage:
        """At most `limit` agents behind the id `after`; `status` "" for all."""
        with _told():
            found = await self._services.agents.page(status, after, limit + 1)
        page = found[:limit]
        following = page[-1].agent_id if len(found) > limit else ""
        return AgentPage(tuple(_view(record) for record in page), following)

    async def counts(self) -> Mapping[str, int]:
        """How many agents there are, by status."""
        with _told():
            return (await self._services.health.numbers()).agents

    async def act(self, action: Action, agent_id: str, claim: str = "") -> None:
        """Changes an agent's status; `claim` names the registration that is approved. Raises
        Refused too."""
        agents = self._services.agents
        with _told():
            match action:
                case Action.APPROVE:
                    await agents.approve(agent_id, claim)
                case Action.REJECT:
                    await agents.reject(agent_id)
                case Action.QUARANTINE:
                    await agents.quarantine(agent_id)
                case Action.RELEASE:
                    await agents.release(agent_id)

    async def newest(self, agent_id: str, limit: int) -> tuple[AuditRecord, ...]:
        """The newest records of an agent, or of all ("" ), newest first. Raises Refused too."""
        with _told():
            if agent_id:
                return await self._services.agents.audit(agent_id, limit)
            return await self._evidence.newest(limit)

    async def follow(self, since_ms: int) -> AsyncIterator[AuditRecord]:
        """The records of all agents as they come, from those of `since_ms` on."""
        with _told():
            async for record in self._evidence.follow(since_ms):
                yield record


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """The gateway over the store and the database of `settings`. Raises Outage."""
    config = control_config(settings, ca_pem=b"")  # the UI hands out no certificate
    with _told():
        async with open_console(config, settings.redis_url, database_url(settings)) as console:
            yield Gateway(console)


def sha256(key: str) -> str:
    """What a key is known by."""
    return keys.sha256(key)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ControlError as error:
        raise Refused(str(error)) from None
    except OUTAGES as error:
        raise Outage(f"{error}") from error


def _view(record: AgentRecord) -> AgentView:
    claim = record.claim
    return AgentView(
        agent_id=record.agent_id,
        status=record.status,
        owner=record.owner,
        created_ms=record.created_ms,
        updated_ms=record.updated_ms,
        claim="" if claim is None else claim_name(claim),
        claim_ms=0 if claim is None else claim.created_ms,
        claim_from="" if claim is None else _listens(claim.endpoints),
    )


def _listens(found: Endpoints) -> str:
    places = ((found.a2a_host, found.a2a_port), (found.chat_host, found.chat_port))
    return ", ".join(f"{host}:{port}" for host, port in places if port)
