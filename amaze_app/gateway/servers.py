"""MCP servers and their tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import told
from amaze_app.gateway.server_views import (
    OTHERWISE,
    Definition,
    EntryPage,
    LastProbe,
    ServerView,
    ToolView,
    fingerprints,
    last_probe,
    page_of,
    server_view,
)
from amaze_proxy.control.api import views
from amaze_proxy.control.console import EntryRecord, EntryStatus
from amaze_proxy.control.errors import ClaimChanged

__all__ = [
    "OTHERWISE",
    "STATUSES",
    "Definition",
    "EntryPage",
    "EntryRecord",
    "LastProbe",
    "McpDesk",
    "ServerView",
    "ToolView",
    "page_of",
]

STATUSES = tuple(map(str, EntryStatus))


class McpDesk(Desk):
    """All methods raise Refused and Outage."""

    async def page(
        self, who: Principal, status: str = "", after: str = "", limit: int = 50
    ) -> EntryPage:
        """At most `limit` MCP servers behind the name `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.mcp_servers.page(status, after, limit + 1)
        return page_of(found, limit)

    async def get(self, who: Principal, name: str) -> EntryRecord:
        """One server."""
        self._needs(who, Need.VIEWER)
        with told():
            return await self._services.mcp_servers.get(name)

    async def create(
        self, who: Principal, name: str, url: str, tools: tuple[str, ...] = (), owner: str = ""
    ) -> None:
        """An approved server."""
        servers = self._services.mcp_servers
        await self._change(who, "create", name, lambda: servers.create(name, url, tools, owner))

    async def approve(self, who: Principal, name: str, url: str = "") -> None:
        """Lets a server be called; `url` is the waiting one that was looked at."""
        pins = self._services.tool_pins
        await self._change(who, "approve", name, lambda: pins.approve(name, url))

    async def probes(
        self, who: Principal, servers: tuple[EntryRecord, ...]
    ) -> Mapping[str, LastProbe]:
        """The last probe of each of these servers that was probed."""
        self._needs(who, Need.VIEWER)
        with told():
            probes = await self._services.history.probes.several([one.name for one in servers])
        return {
            one.name: last_probe(one, probes[one.name]) for one in servers if one.name in probes
        }

    async def tools(
        self, who: Principal, servers: tuple[EntryRecord, ...]
    ) -> Mapping[str, frozenset[str]]:
        """The names of each one's tools: registered, accepted, or found by the last probe."""
        self._needs(who, Need.VIEWER)
        with told():
            probes = await self._services.history.probes.several([one.name for one in servers])
        return {
            one.name: frozenset(one.tools)
            | dict(one.pins).keys()
            | fingerprints(probes.get(one.name)).keys()
            for one in servers
        }

    async def look(self, who: Principal, name: str) -> ServerView:
        """One server and its tools."""
        self._needs(who, Need.VIEWER)
        with told():
            return server_view(await self._services.tool_pins.look(name))

    async def probe(self, who: Principal, name: str) -> None:
        """Asks the server what it has; what is found first is pinned."""
        await self._change(who, "probe", name, lambda: self._services.tool_pins.probe(name))

    async def accept(
        self, who: Principal, name: str, tools: Mapping[str, str], whole: bool, seen: bool = False
    ) -> None:
        """These tools are as they should be: name, and the fingerprint that was looked at; `whole`:
        and there are no others. `seen`: as agents were shown them, else as the probe found them."""
        pins = self._services.tool_pins

        async def accepted() -> None:
            look = await pins.look(name)
            known = dict(look.seen or {}) if seen else fingerprints(look.probe)
            same = all(known.get(one) == sha256 for one, sha256 in tools.items())
            if not same or (whole and known.keys() != tools.keys()):
                raise ClaimChanged(f"the tools of {name} have changed meanwhile: look again")
            await pins.accept(name, None if whole else tuple(tools), seen)

        await self._change(who, "tools.accept", name, accepted)

    async def reject(self, who: Principal, name: str, url: str = "") -> None:
        """Refuses the URL that waits, or stops the server."""
        servers = self._services.mcp_servers
        await self._change(who, "reject", name, lambda: servers.reject(name, url))

    async def delete(self, who: Principal, name: str) -> None:
        """Its next call is refused."""
        servers = self._services.mcp_servers
        await self._change(who, "delete", name, lambda: servers.delete(name))

    async def _change(
        self, who: Principal, what: str, name: str, do: Callable[[], Awaitable[object]]
    ) -> None:
        async def look() -> object:
            return views.mcp_server(await self._services.mcp_servers.get(name))

        self._needs(who, Need.ADMIN)
        with told():
            await self._act(who, Deed(f"mcp_servers.{what}", f"mcp_servers/{name}", look), do)
