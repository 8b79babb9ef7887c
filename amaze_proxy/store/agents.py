"""Agents and their credentials as the proxy sees them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.store import keys, library
from amaze_proxy.store.client import Client, translate
from amaze_proxy.store.generation import touch

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHANGED = 2


class AgentStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


class CredentialState(StrEnum):
    """`NONE`: unknown, revoked or expired."""

    NONE = "none"
    PENDING = "pending"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an agent listens for A2A and for chat (empty host, port 0: it does not)."""

    a2a_host: str = ""
    a2a_port: int = 0
    chat_host: str = ""
    chat_port: int = 0


@dataclass(frozen=True, slots=True)
class Agent:
    """`pending_endpoint` is what a second registration asked for, until an operator says yes.
    `created_ms` milliseconds since the epoch."""

    agent_id: str
    status: AgentStatus = AgentStatus.PENDING
    owner: str = ""
    endpoint: Endpoint = Endpoint()
    pending_endpoint: Endpoint | None = None
    session_id: str = ""
    created_ms: int = 0


class Agents:
    """All methods raise StoreUnavailable; each change is one atomic step. What proxies keep a copy
    of (which agents there are, and where they listen) is told to the directory afterwards."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, agent_id: str) -> Agent | None:
        """The agent, or None."""
        with translate():
            found = await self._client.hgetall(keys.agent(agent_id))  # type: ignore[misc]
        return read_agent(agent_id, found) if found else None

    async def ids(self) -> list[str]:
        """Every id that ever was, deleted ones too, sorted (their audit streams remain)."""
        with translate():
            found = await self._client.smembers(keys.AGENTS)  # type: ignore[misc]
        return sorted(one.decode() for one in found)

    async def list(self) -> list[Agent]:
        """All agents, by id."""
        found = [await self.get(agent_id) for agent_id in await self.ids()]
        return [agent for agent in found if agent is not None]

    async def create(self, agent: Agent, credential_sha256: str = "") -> bool:
        """Add the agent, with its first credential (active) if one is given. False, and nothing
        changed, if the id exists."""
        if credential_sha256:
            _check(credential_sha256)
        with translate():
            # First the name: an agent that exists is always in the list.
            await self._client.sadd(keys.AGENTS, agent.agent_id)  # type: ignore[misc]
        args = (credential_sha256, *_fields(agent))
        created = await self._both("agent_create", agent.agent_id, *args) == 1
        if created:
            await touch(self._client)
        return created

    async def set_status(self, agent_id: str, status: AgentStatus) -> bool:
        """Governs the very next call. False if there is no such agent."""
        done = await self._update(agent_id, "status", status.value)
        if done == _CHANGED:
            await touch(self._client)  # who waits for approval is at no address
        return done > 0

    async def set_owner(self, agent_id: str, owner: str) -> bool:
        """False if there is no such agent."""
        return await self._update(agent_id, "owner", owner) > 0

    async def set_session(self, agent_id: str, session_id: str) -> bool:
        """What a registration begins. False if there is no such agent."""
        return await self._update(agent_id, "session_id", session_id) > 0

    async def set_endpoint(
        self, agent_id: str, endpoint: Endpoint, *, pending: bool = False
    ) -> bool:
        """False if there is no such agent."""
        prefix = "pending_" if pending else ""
        done = await self._update(agent_id, *_endpoint_fields(endpoint, prefix))
        if done == _CHANGED and not pending:
            await touch(self._client)
        return done > 0

    async def delete(self, agent_id: str) -> bool:
        """Its credentials, policy and counters end at once; its evidence stays."""
        with translate():
            gone = await self._client.delete(
                keys.agent(agent_id),
                keys.credentials(agent_id),
                keys.policy(agent_id),
                keys.means(agent_id),
                *keys.hops(agent_id),
            )
        await touch(self._client)
        return bool(gone)

    async def add_credential(
        self, agent_id: str, sha256: str, *, pending: bool = False, expires_ms: int = 0
    ) -> bool:
        """`expires_ms` milliseconds since the epoch (0: never). False if there is no such agent."""
        state = CredentialState.PENDING if pending else CredentialState.ACTIVE
        _check(sha256)
        return await self._both("credential_add", agent_id, sha256, state.value, expires_ms) == 1

    async def drop_pending(self, agent_id: str) -> int:
        """Pending credentials and the pending endpoint are forgotten; how many credentials."""
        return await self._both("pending_drop", agent_id)

    async def rotate(self, agent_id: str, new_sha256: str, grace_ms: int) -> bool:
        """The new credential is active; the present ones end after the grace (0: at once). False
        if there is no such agent."""
        _check(new_sha256)
        return await self._both("credential_rotate", agent_id, new_sha256, max(0, grace_ms)) == 1

    async def credential_state(self, agent_id: str, sha256: str) -> CredentialState:
        """What the credential is worth now."""
        named = (keys.agent(agent_id), keys.credentials(agent_id))
        found = await library.call(self._client, "credential_check", named, sha256)
        return CredentialState(found.decode())

    async def _update(self, agent_id: str, *pairs: str | int) -> int:
        """0: no such agent; 1: it was so already; _CHANGED."""
        named = (keys.agent(agent_id),)
        return int(await library.call(self._client, "agent_update", named, *pairs))

    async def _both(self, function: str, agent_id: str, *args: str | int) -> int:
        named = (keys.agent(agent_id), keys.credentials(agent_id))
        return int(await library.call(self._client, function, named, *args))


def _check(sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise ValueError("a credential is stored as SHA-256 in lower-case hex")


def _fields(agent: Agent) -> list[str | int]:
    pairs: list[str | int] = [
        *("status", agent.status.value),
        *("owner", agent.owner),
        *("session_id", agent.session_id),
        *("created_ms", agent.created_ms),
        *_endpoint_fields(agent.endpoint, ""),
    ]
    if agent.pending_endpoint is not None:
        pairs += _endpoint_fields(agent.pending_endpoint, "pending_")
    return pairs


def _endpoint_fields(endpoint: Endpoint, prefix: str) -> list[str | int]:
    return [
        *(f"{prefix}a2a_host", endpoint.a2a_host),
        *(f"{prefix}a2a_port", endpoint.a2a_port),
        *(f"{prefix}chat_host", endpoint.chat_host),
        *(f"{prefix}chat_port", endpoint.chat_port),
    ]


def _endpoint(found: Mapping[str, str], prefix: str) -> Endpoint:
    return Endpoint(
        a2a_host=found.get(f"{prefix}a2a_host", ""),
        a2a_port=int(found.get(f"{prefix}a2a_port", "0")),
        chat_host=found.get(f"{prefix}chat_host", ""),
        chat_port=int(found.get(f"{prefix}chat_port", "0")),
    )


def read_agent(agent_id: str, raw: Mapping[bytes, bytes]) -> Agent:
    """A stored agent. Raises ValueError, KeyError for one that makes no sense."""
    found = {name.decode(): value.decode() for name, value in raw.items()}
    pending = any(name.startswith("pending_") for name in found)
    return Agent(
        agent_id=agent_id,
        status=AgentStatus(found["status"]),
        owner=found.get("owner", ""),
        endpoint=_endpoint(found, ""),
        pending_endpoint=_endpoint(found, "pending_") if pending else None,
        session_id=found.get("session_id", ""),
        created_ms=int(found.get("created_ms", "0")),
    )
