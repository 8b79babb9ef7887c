"""MCP servers and LLM hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.api import views
from amaze_proxy.control.console import EntryRecord, EntryStatus
from amaze_proxy.control.naming import BUILT_IN_PROVIDERS
from amaze_proxy.control.registry import Dialect

STATUSES = tuple(map(str, EntryStatus))
DIALECTS = tuple(map(str, Dialect))


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Servers or hosts by name; `following` is where the next page begins ("": the last)."""

    entries: tuple[EntryRecord, ...]
    following: str


class McpDesk(Desk):
    """All methods raise Refused and Outage."""

    async def page(
        self, who: Principal, status: str = "", after: str = "", limit: int = 50
    ) -> EntryPage:
        """At most `limit` MCP servers behind the name `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.mcp_servers.page(status, after, limit + 1)
        return _page(found, limit)

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
        servers = self._services.mcp_servers
        await self._change(who, "approve", name, lambda: servers.approve(name, url))

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


class LlmDesk(Desk):
    """All methods raise Refused and Outage."""

    built_in = tuple(sorted(BUILT_IN_PROVIDERS))
    """Providers that need no registration."""

    async def page(self, who: Principal, after: str = "", limit: int = 50) -> EntryPage:
        """At most `limit` LLM hosts behind the name `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.llms.page("", after, limit + 1)
        return _page(found, limit)

    async def create(self, who: Principal, name: str, url: str, dialect: str) -> None:
        """A host beside the built-in providers; `dialect` is one of DIALECTS."""
        if dialect not in DIALECTS:
            raise Refused(f"the dialect must be one of {', '.join(DIALECTS)}")
        llms = self._services.llms
        await self._change(who, "create", name, lambda: llms.create(name, url, Dialect(dialect)))

    async def delete(self, who: Principal, name: str) -> None:
        """Its next call is refused."""
        await self._change(who, "delete", name, lambda: self._services.llms.delete(name))

    async def _change(
        self, who: Principal, what: str, name: str, do: Callable[[], Awaitable[object]]
    ) -> None:
        async def look() -> object:
            return views.llm(await self._services.llms.get(name))

        self._needs(who, Need.ADMIN)
        with told():
            await self._act(who, Deed(f"llms.{what}", f"llms/{name}", look), do)


def _page(found: tuple[EntryRecord, ...], limit: int) -> EntryPage:
    following = found[limit - 1].name if len(found) > limit else ""
    return EntryPage(found[:limit], following)
