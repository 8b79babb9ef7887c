"""Agents: who there is, approval, credentials, messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal, Role
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.api import views
from amaze_proxy.control.console import AgentRecord, AgentStatus, Endpoints
from amaze_proxy.control.lifecycle import claim_name
from amaze_proxy.control.messages import Answered, Begun
from amaze_proxy.control.policies import parse
from amaze_proxy.control.sentences import sentence

__all__ = [
    "STATUSES",
    "Action",
    "AgentDesk",
    "AgentPage",
    "AgentView",
    "Answered",
    "NewCredential",
    "sentence",
]

STATUSES = tuple(map(str, AgentStatus))
_CHUNK = 1000


class Action(StrEnum):
    """What an operator does to an agent."""

    APPROVE = "approve"
    REJECT = "reject"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent. `claim` names a second registration that waits ("": none), `claim_from` is where
    that one listens; times in milliseconds since the epoch; `changeable` by who asked."""

    agent_id: str
    status: str
    owner: str
    quarantined_by: str
    listens: str
    chat: bool
    created_ms: int
    updated_ms: int
    claim: str
    claim_ms: int
    claim_from: str
    changeable: bool


@dataclass(frozen=True, slots=True)
class AgentPage:
    """A page of agents by id; `following` is where the next one begins ("": this is the last)."""

    agents: tuple[AgentView, ...]
    following: str


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential, to be shown this once. `in_force`: the store has it already."""

    agent_id: str
    credential: str = field(repr=False)
    in_force: bool


class AgentDesk(Desk):
    """All methods raise Refused and Outage."""

    async def page(
        self, who: Principal, status: str = "", text: str = "", after: str = "", limit: int = 50
    ) -> AgentPage:
        """At most `limit` agents behind the id `after`, of this status ("": any), whose id or
        owner has `text` in it."""
        self._needs(who, Need.VIEWER)
        wanted, found = text.strip().lower(), list[AgentRecord]()
        with told():
            while len(found) <= limit:
                chunk = await self._services.agents.page(status, after, _CHUNK)
                found += [one for one in chunk if who.sees(one) and _has(one, wanted)]
                if len(chunk) < _CHUNK:
                    break
                after = chunk[-1].agent_id
        page = found[:limit]
        following = page[-1].agent_id if len(found) > limit else ""
        return AgentPage(tuple(_view(one, who) for one in page), following)

    async def get(self, who: Principal, agent_id: str) -> AgentView:
        """One agent."""
        with told():
            await self._readable(who, agent_id)
            return _view(await self._services.agents.get(agent_id), who)

    async def counts(self, who: Principal) -> Mapping[str, int]:
        """How many agents this person sees, by status."""
        self._needs(who, Need.VIEWER)
        with told():
            if who.role is not Role.OPERATOR:
                return (await self._services.health.numbers()).agents
            counts = dict.fromkeys(STATUSES, 0)
            for record in await self._services.history.agents.list():
                if who.sees(record):
                    counts[record.status] += 1
            return counts

    async def act(self, who: Principal, action: Action, agent_id: str, claim: str = "") -> None:
        """Changes an agent's status; `claim` names the registration that is approved."""
        agents, admin = self._services.agents, who.role is Role.ADMIN
        deeds: dict[Action, Callable[[], Awaitable[object]]] = {
            Action.APPROVE: lambda: agents.approve(agent_id, claim),
            Action.REJECT: lambda: agents.reject(agent_id),
            Action.QUARANTINE: lambda: agents.quarantine(agent_id, by=who.name, admin=admin),
            Action.RELEASE: lambda: agents.release(agent_id, admin=admin),
            Action.DELETE: lambda: agents.delete(agent_id),
        }
        with told():
            await self._changeable(who, agent_id)
            await self._act(who, self._deed(str(action), agent_id), deeds[action])

    async def create(
        self, who: Principal, agent_id: str, owner: str = "", policy: str = ""
    ) -> NewCredential:
        """An approved agent; `policy` is a document ("": none, so every call is refused)."""
        self._needs(who, Need.ADMIN)
        with told():
            parsed = parse(policy) if policy.strip() else None
            issued = await self._act(
                who,
                self._deed("create", agent_id),
                lambda: self._services.agents.create(
                    agent_id, author=who.name, owner=owner, policy=parsed, endpoints=Endpoints()
                ),
            )
        return NewCredential(agent_id, issued.credential.text, issued.in_force)

    async def rotate(self, who: Principal, agent_id: str) -> NewCredential:
        """A new credential; those before end after ten minutes."""
        with told():
            await self._changeable(who, agent_id)
            issued = await self._act(
                who,
                self._deed("rotate", agent_id),
                lambda: self._services.agents.rotate(agent_id),
            )
        return NewCredential(agent_id, issued.credential.text, issued.in_force)

    async def set_owner(self, who: Principal, agent_id: str, owner: str) -> None:
        """Whose agent it is; "": nobody's, so that admins alone change it."""
        self._needs(who, Need.ADMIN)
        with told():
            await self._act(
                who,
                self._deed("change", agent_id),
                lambda: self._services.agents.set_owner(agent_id, owner),
            )

    async def send(
        self, who: Principal, agent_id: str, message: str, begun: Begun | None = None
    ) -> Answered:
        """Sends a message, and waits for the reply (up to the chat timeout). `begun` is told the
        id of the trace before it is sent."""
        if not message.strip():
            raise Refused("write a message first")
        with told():
            await self._changeable(who, agent_id)
            return await self._act(
                who,
                self._deed("messages", agent_id),
                lambda: self._services.messages.send(agent_id, message, begun),
            )

    def _deed(self, what: str, agent_id: str) -> Deed:
        async def look() -> object:
            return views.agent(await self._services.agents.get(agent_id))

        return Deed(f"agents.{what}", f"agents/{agent_id}", look)


def _has(record: AgentRecord, text: str) -> bool:
    return text in record.agent_id or text in record.owner.lower()


def _view(record: AgentRecord, who: Principal) -> AgentView:
    claim = record.claim
    return AgentView(
        agent_id=record.agent_id,
        status=record.status,
        owner=record.owner,
        quarantined_by=record.quarantined_by,
        listens=_listens(record.endpoints),
        chat=bool(record.endpoints.chat_port),
        created_ms=record.created_ms,
        updated_ms=record.updated_ms,
        claim="" if claim is None else claim_name(claim),
        claim_ms=0 if claim is None else claim.created_ms,
        claim_from="" if claim is None else _listens(claim.endpoints),
        changeable=who.changes(record),
    )


def _listens(found: Endpoints) -> str:
    places = ((found.a2a_host, found.a2a_port), (found.chat_host, found.chat_port))
    return ", ".join(f"{host}:{port}" for host, port in places if port)
