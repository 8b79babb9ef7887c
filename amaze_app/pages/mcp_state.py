"""What the page of the MCP servers shows, and what is done to a server."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.servers import STATUSES, EntryRecord, LastProbe
from amaze_app.live import live
from amaze_app.pages.mcp_tools import ToolsState
from amaze_app.pulse import Topic
from amaze_app.slow import slowly
from amaze_app.state import Paged, PageState

_PAGE = 25


@dataclass(frozen=True)
class ServerRow:
    """A server as the table shows it; `waits` is another URL that waits for approval."""

    name: str
    status: str
    url: str
    waits: str
    probed_ms: int
    error: str
    tools: str
    otherwise: int
    href: str


@live(routes.MCP, Topic.REGISTRY)
class McpState(Paged, PageState):
    """A page of servers; filters and place are in the URL."""

    rows: rx.Field[list[ServerRow]] = rx.field(default_factory=list)
    status: str = ""
    adding: bool = False
    deleting: str = ""
    busy: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self.status = self._argument("status", STATUSES)
        await self._open_at(self._argument("after"))

    @allowed(Need.ADMIN)
    async def create(self, form: dict[str, str]) -> None:
        """An approved server."""
        who = await self._principal()
        name, url = (str(form.get(one, "")).strip() for one in ("name", "url"))
        said = f"{name} may be called: probe it, so that its tools are pinned"
        await self._do(self._gateway.mcp.create(who, name, url), said)
        self.adding = bool(self.notice)

    @allowed(Need.ADMIN, background=True)
    async def approve(self, name: str, url: str) -> None:
        """Lets a server, or its waiting URL, be called, and pins its tools."""
        await self._slowly("approve", str(name), str(url))

    @allowed(Need.ADMIN, background=True)
    async def probe(self, name: str) -> None:
        """Asks the server what it has."""
        await self._slowly("probe", str(name))

    @allowed(Need.ADMIN)
    async def reject(self, name: str, url: str) -> None:
        """Refuses the URL that waits, or stops the server."""
        who = await self._principal()
        await self._do(self._gateway.mcp.reject(who, str(name), str(url)), f"{name}: refused")

    @allowed(Need.ADMIN)
    async def delete(self, name: str) -> None:
        """Forgets a server."""
        who, self.deleting = await self._principal(), ""
        await self._do(self._gateway.mcp.delete(who, str(name)), f"{name} is deleted")

    @allowed(Need.ADMIN)
    def add(self) -> None:
        """Asks for a new server."""
        self.adding = True

    @allowed(Need.ADMIN)
    def ask_delete(self, name: str) -> None:
        """Asks before a server is deleted."""
        self.deleting = str(name)[:64]

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog."""
        self.adding, self.deleting = False, ""

    async def _slowly(self, what: str, name: str, url: str = "") -> None:
        who = await self._principal()
        async with self:
            self.busy = name[:64]
        desk = self._gateway.mcp
        if what == "probe":
            await slowly(self, desk.probe(who, name), f"{name} has answered")
        else:
            await slowly(self, desk.approve(who, name, url), f"{name} may be called")
        async with self:
            self.busy = ""
            await (await self.get_state(ToolsState))._refresh()

    async def _show(self, who: Principal) -> None:
        desk = self._gateway.mcp
        found = await desk.page(who, self.status, self._place, _PAGE)
        probes = await desk.probes(who, found.entries)
        self._put(rows=[_row(one, probes.get(one.name)) for one in found.entries])
        self._turn(routes.MCP, {"status": self.status}, "after", found.following)


def _row(record: EntryRecord, probe: LastProbe | None) -> ServerRow:
    waits = record.claim.url if record.claim is not None else ""
    return ServerRow(
        name=record.name,
        status=record.status,
        url=record.url,
        waits=waits,
        probed_ms=probe.ms if probe else 0,
        error=probe.error if probe else "",
        tools=str(probe.tools) if probe and record.pinned_ms else "–",
        otherwise=probe.otherwise if probe else 0,
        href=routes.with_query(routes.MCP, server=record.name),
    )
