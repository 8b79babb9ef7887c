"""Who is where: the registered MCP servers, LLM hosts and agents, as this worker last saw them.

A name is a place of its own (`http://demo-mcp/mcp`, `http://writer/`), and so is the real address
behind it. The copy is read anew when the registry's generation moves; what is decided on is
looked up in the store again, together with the admission, so an old copy lets nothing pass.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from amaze_proxy.store import registry
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer
from amaze_proxy.wire.authority import DEFAULT_PORTS, Authority, AuthorityError, parse_authority

WATCH_S = 0.25
_MOST_CLAIMS = 16
_CANONICAL_PATHS = ("/mcp", "/")


class Source(Protocol):
    """Where the directory is read; `store.registry` is one."""

    async def generation(self) -> int: ...
    async def claim(self, agent_id: str, addresses: Sequence[str]) -> None: ...
    async def directory(self) -> registry.Directory: ...
    async def saw(self, name: str, tools: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """An MCP server. `path` is the path there, without a query."""

    server: McpServer
    path: str

    @property
    def own(self) -> bool:
        """Whether the path is the registered one: at others of the host may be anything."""
        registered = urlsplit(self.server.url).path.rstrip("/")
        there = self.path.rstrip("/")
        return there == registered or (not registered and self.path in _CANONICAL_PATHS)

    @property
    def disguised(self) -> bool:
        """Whether the path is the registered one to some servers, and is not spelled so."""
        return not self.own and _plain(self.path) == _plain(urlsplit(self.server.url).path)


@dataclass(frozen=True, slots=True)
class HostPlace:
    """An LLM host. `path` is relative to its base URL."""

    host: LlmHost
    path: str


@dataclass(frozen=True, slots=True)
class Disguised:
    """A path that is below the base URL of an LLM host to some servers, and is not spelled so."""

    host: LlmHost


@dataclass(frozen=True, slots=True)
class AgentPlace:
    """An agent's A2A endpoint (`chat`: where it takes its users' messages instead)."""

    agent_id: str
    chat: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several MCP servers share the host, and the path says none of them."""

    servers: tuple[str, ...]


Place = ServerPlace | HostPlace | Disguised | AgentPlace | Ambiguous
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Map:
    """One generation of the directory, by name and by address."""

    generation: int = -1
    servers: dict[str, McpServer] = field(default_factory=dict)
    servers_at: dict[Address, list[McpServer]] = field(default_factory=dict)
    hosts: dict[str, LlmHost] = field(default_factory=dict)
    hosts_at: dict[Address, list[LlmHost]] = field(default_factory=dict)
    agents: frozenset[str] = frozenset()
    agents_at: dict[Address, AgentPlace] = field(default_factory=dict)
    claims: dict[str, set[AgentPlace]] = field(default_factory=dict)


class Directory:
    """Finds places. `refresh` and `watch` keep it young."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._map = _Map()
        self._reading = asyncio.Lock()
        self._closed = False

    def find(self, authority: Authority, path: str) -> Place | None:
        """The place that a request for `path` at `authority` is for; None: nobody registered."""
        known = self._map
        if authority.port == DEFAULT_PORTS[authority.scheme]:
            if server := known.servers.get(authority.host):
                return ServerPlace(server, _there(server.url, path))
            if host := known.hosts.get(authority.host):
                return HostPlace(host, path)
            if authority.host in known.agents:
                return AgentPlace(authority.host)
        address = (authority.host, authority.port)
        if servers := known.servers_at.get(address):
            return _server(servers, path)
        if place := _host(known.hosts_at.get(address, ()), path):
            return place
        return known.agents_at.get(address)

    def claimed(self, authority: Authority) -> AgentPlace | None:
        """The one agent whose card names this address. For calls that would be refused otherwise:
        a card must not take what is somebody else's, and the agent is dialled where it is
        registered, whatever its card says."""
        found = self._map.claims.get(address_text(authority), set())
        return next(iter(found)) if len(found) == 1 else None

    async def learn(self, agent_id: str, urls: Iterable[str]) -> None:
        """The agent's card names these URLs. Raises StoreUnavailable."""
        found = set()
        for url in urls:
            with suppress(AuthorityError, ValueError):
                found.add(address_text(authority_of(url)))
        known = {
            text for text, agents in self._map.claims.items() if AgentPlace(agent_id) in agents
        }
        if found != known:
            await self._source.claim(agent_id, sorted(found)[:_MOST_CLAIMS])

    def server(self, name: str) -> McpServer | None:
        """The registered MCP server of that name."""
        return self._map.servers.get(name)

    async def saw(self, name: str, tools: Mapping[str, str]) -> None:
        """An agent is about to be shown tools (name: fingerprint) that are not, or not known to
        be, what was accepted. Raises StoreUnavailable."""
        await self._source.saw(name, tools)

    @property
    def generation(self) -> int:
        """Of the copy: another one, if anything may be registered elsewhere."""
        return self._map.generation

    async def refresh(self) -> bool:
        """Read it anew if it changed; whether it did. Raises StoreUnavailable."""
        async with self._reading:
            if await self._source.generation() == self._map.generation:
                return False
            self._map = _mapped(await self._source.directory())
            return True

    async def watch(self, every: float = WATCH_S) -> None:
        """Refresh until `close`. Seconds."""
        while not self._closed:
            try:
                await self.refresh()
            except StoreUnavailable:
                pass  # what is decided on is looked up again, and refused while the store is away
            await asyncio.sleep(every)

    def close(self) -> None:
        """End `watch`. A cancellation alone can get lost in redis-py on Python 3.11."""
        self._closed = True


def authority_of(url: str) -> Authority:
    """The authority of a registered URL. Raises AuthorityError."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise AuthorityError(f"the URL {url!r} is neither http nor https")
    return parse_authority(parts.netloc, parts.scheme, DEFAULT_PORTS[parts.scheme])


def address_text(authority: Authority) -> str:
    """Host and port as one text."""
    return f"{authority.host}:{authority.port}"


def _address(url: str) -> Address | None:
    try:
        authority = authority_of(url)
    except AuthorityError:
        return None  # nobody is led to a place that cannot be dialled
    return authority.host, authority.port


def _mapped(found: registry.Directory) -> _Map:
    fresh = _Map(found.generation, agents=found.agent_ids)
    for server in found.servers:
        fresh.servers[server.name] = server
        # What nobody has approved yet takes no host and no address from others.
        waits = server.status is EntryStatus.PENDING
        if not waits and (address := _address(server.url)):
            fresh.servers_at.setdefault(address, []).append(server)
    for host in found.llms:
        fresh.hosts[host.name] = host
        if address := _address(host.url):
            fresh.hosts_at.setdefault(address, []).append(host)
    for agent in found.agents:
        at = agent.endpoint
        if at.chat_port:
            fresh.agents_at[at.chat_host, at.chat_port] = AgentPlace(agent.agent_id, chat=True)
        if at.a2a_port:
            fresh.agents_at[at.a2a_host, at.a2a_port] = AgentPlace(agent.agent_id)
        for claim in agent.claims:
            fresh.claims.setdefault(claim, set()).add(AgentPlace(agent.agent_id))
    return fresh


def _there(url: str, path: str) -> str:
    """A path under a server's name, as a path at its URL."""
    return urlsplit(url).path or "/" if path in _CANONICAL_PATHS else path


def _server(servers: list[McpServer], path: str) -> Place:
    """The one of the servers at one address that the path means: the longest registered path that
    it is, or lies under; what lies under none belongs to the only server there."""
    under = [one for one in servers if _below(urlsplit(one.url).path, path) is not None]
    if under:
        return ServerPlace(max(under, key=lambda one: len(one.url)), path)
    if len(servers) == 1:
        return ServerPlace(servers[0], path)
    return Ambiguous(tuple(one.name for one in servers))


def _host(hosts: Sequence[LlmHost], path: str) -> HostPlace | Disguised | None:
    """The one of the hosts at one address with the longest base that the path is below."""
    below = ((one, _below(urlsplit(one.url).path, path)) for one in hosts)
    places = [HostPlace(host, rest) for host, rest in below if rest is not None]
    if places:
        return min(places, key=lambda one: len(one.path))
    odd = (one for one in hosts if _below(_plain(urlsplit(one.url).path), _plain(path)) is not None)
    return next(map(Disguised, odd), None)


def _plain(path: str) -> str:
    """What lenient servers make of a path: decoded, without empty and dot segments, in lower
    case."""
    return posixpath.normpath(f"/{unquote(unquote(path)).lstrip('/')}").casefold()


def _below(base: str, path: str) -> str | None:
    """What of the path is under `base`; None: it is not."""
    base = base.rstrip("/")
    if path == base or path.startswith(f"{base}/"):
        return path[len(base) :] or "/"
    return None
