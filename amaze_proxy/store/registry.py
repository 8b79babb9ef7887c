"""Who can be called: MCP servers and LLM hosts as registered, and where agents listen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from amaze_proxy.store import keys, library
from amaze_proxy.store.agents import AgentStatus, Endpoint, read_agent
from amaze_proxy.store.client import Client, translate
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.generation import generation, touch

# Fields of a server: whether it has pins, each of them, and what else was seen of a tool.
_PINNED, _PIN, _SEEN = "pinned", "pin:", "seen:"


class EntryStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class McpServer:
    """`revision` grows with each change: the store never goes back to an older one.

    `pins` are the fingerprints (SHA-256) of the tools that were accepted, by name; None: none ever
    were, so that no tool counts as changed. `seen` are others that were seen since: the store
    has its own, and takes those that are published besides (where it has lost them).
    """

    name: str
    url: str
    status: EntryStatus
    owner: str = ""
    revision: int = 0
    pins: Mapping[str, str] | None = None
    seen: Mapping[str, str] = field(default_factory=dict, compare=False)

    def changed(self, tool: str) -> bool:
        """Whether the tool is not what was accepted, as far as anybody has seen."""
        if self.pins is None:
            return False
        pin = self.pins.get(tool)
        return pin is None or self.seen.get(tool, pin) != pin

    def is_news(self, tool: str, sha256: str) -> bool:
        """Whether the store is to be told that the tool was seen so."""
        return sha256 not in ((self.pins or {}).get(tool), self.seen.get(tool))


@dataclass(frozen=True, slots=True)
class LlmHost:
    """`dialect` names the wire family that it speaks. `revision` as of McpServer."""

    name: str
    url: str
    dialect: str
    status: EntryStatus
    revision: int = 0


@dataclass(frozen=True, slots=True)
class AgentPlace:
    """An agent that listens somewhere. `claims` are the addresses (`host:port`) that its card
    names besides."""

    agent_id: str
    endpoint: Endpoint
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything at once, each list by name. It holds at least what was there when the number was
    `generation`. `agent_ids`: all agents that exist, whether they listen or not; of those
    that wait for approval, only names without a dot, and no addresses."""

    generation: int
    servers: tuple[McpServer, ...]
    llms: tuple[LlmHost, ...]
    agents: tuple[AgentPlace, ...]
    agent_ids: frozenset[str]


class Registry:
    """All methods raise StoreUnavailable; also for an entry that makes no sense."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish_mcp(self, server: McpServer) -> None:
        """In force from the next call on. An older revision than the stored one is ignored."""
        fields = ["url", server.url, "status", server.status.value, "owner", server.owner]
        fields += (_PINNED, "" if server.pins is None else "1")
        for tool, sha256 in (server.pins or {}).items():
            fields += (_PIN + tool, sha256)
        for tool, sha256 in server.seen.items():
            fields += (_SEEN + tool, sha256)
        await self._publish(keys.mcp(server.name), server.revision, fields)
        await self._list(keys.MCPS, server.name)

    async def withdraw_mcp(self, name: str) -> None:
        """Nobody can call it from the next call on."""
        await self._withdraw(keys.MCPS, name, keys.mcp(name))

    async def saw(self, name: str, tools: Mapping[str, str], *, certain: bool = False) -> None:
        """These tools of the server (name: fingerprint) were seen. `certain`: by us, so that one
        that is as it was accepted is no longer a changed one. At most about 4,000 are kept; those
        that were accepted always have room."""
        told = [text for pair in tools.items() for text in pair]
        news = await library.call(
            self._client, "tools_seen", (keys.mcp(name),), "1" if certain else "0", *told
        )
        if news:
            await self.touch()

    async def mcp(self, name: str) -> McpServer | None:
        """The server, or None."""
        found = await self._hashes([keys.mcp(name)])
        return mcp_server(name, found[0])

    async def mcps(self) -> list[McpServer]:
        """All servers, by name."""
        names = (await self._names(keys.MCPS))[0]
        found = await self._hashes([*map(keys.mcp, names)])
        return [*_present(map(mcp_server, names, found))]

    async def publish_llm(self, host: LlmHost) -> None:
        """As publish_mcp."""
        fields = ("url", host.url, "status", host.status.value, "dialect", host.dialect)
        await self._publish(keys.llm(host.name), host.revision, fields)
        await self._list(keys.LLMS, host.name)

    async def withdraw_llm(self, name: str) -> None:
        """As withdraw_mcp."""
        await self._withdraw(keys.LLMS, name, keys.llm(name))

    async def llm(self, name: str) -> LlmHost | None:
        """The host, or None."""
        found = await self._hashes([keys.llm(name)])
        return llm_host(name, found[0])

    async def llms(self) -> list[LlmHost]:
        """All hosts, by name."""
        names = (await self._names(keys.LLMS))[0]
        found = await self._hashes([*map(keys.llm, names)])
        return [*_present(map(llm_host, names, found))]

    async def claim(self, agent_id: str, addresses: Sequence[str]) -> None:
        """The agent's card names these addresses (`host:port`). Nothing if there is no agent."""
        told = " ".join(sorted(addresses))
        if await library.call(self._client, "agent_claim", (keys.agent(agent_id),), told):
            await self.touch()

    async def touch(self) -> None:
        """The directory changed."""
        await touch(self._client)

    async def generation(self) -> int:
        """The directory's number now."""
        return await generation(self._client)

    async def directory(self) -> Directory:
        """Everything, in a few pipelined round trips however much it is."""
        # The number first: what changes while the rest is read has a greater one.
        number = await self.generation()
        mcps, llms, ids = await self._names(keys.MCPS, keys.LLMS, keys.AGENTS)
        named = [*map(keys.mcp, mcps), *map(keys.llm, llms), *map(keys.agent, ids)]
        found = iter(await self._hashes(named))
        servers = [mcp_server(name, next(found)) for name in mcps]
        hosts = [llm_host(name, next(found)) for name in llms]
        agents = _places(zip(ids, found, strict=True))
        return Directory(
            generation=number,
            servers=_present(servers),
            llms=_present(hosts),
            agents=tuple(one for one in agents if one.endpoint.a2a_port or one.endpoint.chat_port),
            agent_ids=frozenset(one.agent_id for one in agents),
        )

    async def _publish(self, key: str, revision: int, fields: Sequence[str]) -> None:
        await library.call(self._client, "entry_publish", (key,), revision, *fields)

    async def _list(self, key: str, name: str) -> None:
        # After the entry, and taken off before it: so an entry that exists is always listed,
        # whoever publishes and withdraws at once.
        with translate():
            await self._client.sadd(key, name)  # type: ignore[misc]
        await self.touch()

    async def _withdraw(self, names: str, name: str, entry: str) -> None:
        with translate():
            await self._client.srem(names, name)  # type: ignore[misc]
            await self._client.delete(entry)
        await self.touch()

    async def _names(self, *sets: str) -> list[list[str]]:
        """The members of these sets, sorted."""
        found = await self._pipelined("SMEMBERS", sets)
        with sensible():
            return [sorted(one.decode() for one in names) for names in found]

    async def _hashes(self, names: Sequence[str]) -> list[Mapping[bytes, bytes]]:
        return await self._pipelined("HGETALL", names)

    async def _pipelined(self, command: str, names: Sequence[str]) -> list[Any]:
        """The command's reply for each key, in one round trip to each node."""
        if not names:
            return []
        pipeline: Any = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.execute_command(command, name)
        with translate():
            return list(await pipeline.execute())


_Entry = TypeVar("_Entry")


def _present(entries: Iterable[_Entry | None]) -> tuple[_Entry, ...]:
    return tuple(entry for entry in entries if entry is not None)


def _places(found: Iterable[tuple[str, Mapping[bytes, bytes]]]) -> list[AgentPlace]:
    """Of the agents that exist: a name is kept longer than its agent.

    One that nobody has approved takes no host from others: no address, and no name with a dot in
    it, which may be a host of the Internet. Those that were stopped come first: of two at one
    address the later one counts.
    """
    places: list[AgentPlace] = []
    stopped: list[AgentPlace] = []
    with sensible():
        for agent_id, raw in found:
            if not raw:
                continue
            agent = read_agent(agent_id, raw)
            if agent.status in (AgentStatus.APPROVED, AgentStatus.QUARANTINED):
                claims = tuple(raw.get(b"card", b"").decode().split())
                among = places if agent.status is AgentStatus.APPROVED else stopped
                among.append(AgentPlace(agent_id, agent.endpoint, claims))
            elif "." not in agent_id:
                places.append(AgentPlace(agent_id, Endpoint()))
    return [*stopped, *places]


@contextmanager
def sensible() -> Iterator[None]:
    """What cannot be read becomes StoreUnavailable."""
    try:
        yield
    except (ValueError, KeyError) as error:
        raise StoreUnavailable("the store's answer makes no sense") from error


def mcp_server(name: str, raw: Mapping[bytes, bytes]) -> McpServer | None:
    """A stored server (empty: None). Raises StoreUnavailable."""
    if not raw:
        return None
    with sensible():
        found = _texts(raw)
        status, revision = EntryStatus(found["status"]), int(found["revision"])
        pins = _tools(found, _PIN) if found.get(_PINNED) else None
        seen = _tools(found, _SEEN)
        return McpServer(name, found["url"], status, found["owner"], revision, pins, seen)


def fields_of(tool: str) -> tuple[str, ...]:
    """What is read of an entry for a call; of an MCP server's tools only this one."""
    read = ("url", "status", "owner", "dialect", "revision", _PINNED)
    return (*read, _PIN + tool, _SEEN + tool) if tool else read


def _tools(found: Mapping[str, str], kind: str) -> dict[str, str]:
    return {name[len(kind) :]: value for name, value in found.items() if name.startswith(kind)}


def llm_host(name: str, raw: Mapping[bytes, bytes]) -> LlmHost | None:
    """A stored host (empty: None). Raises StoreUnavailable."""
    if not raw:
        return None
    with sensible():
        found = _texts(raw)
        status, revision = EntryStatus(found["status"]), int(found["revision"])
        return LlmHost(name, found["url"], found["dialect"], status, revision)


def _texts(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in raw.items()}
