"""MCP servers: who there is, who waits, and what the last probe found."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import badge, button, card, empty, link
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.forms import confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.servers import STATUSES, EntryRecord, LastProbe
from amaze_app.live import live
from amaze_app.pages import mcp_tools
from amaze_app.pages.mcp_tools import ToolsState
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.slow import slowly
from amaze_app.state import PageState

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
class McpState(PageState):
    """A page of servers; filters and place are in the URL."""

    rows: rx.Field[list[ServerRow]] = rx.field(default_factory=list)
    status: str = ""
    loaded: bool = False
    adding: bool = False
    deleting: str = ""
    busy: str = ""
    first_href: str = ""
    next_href: str = ""
    _after: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self.status = self._argument("status", STATUSES)
        self._after = self._argument("after")
        await self._open()
        self.loaded = True

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
        found = await desk.page(who, self.status, self._after, _PAGE)
        probes = await desk.probes(who, found.entries)
        following = routes.with_query(routes.MCP, status=self.status, after=found.following)
        first = routes.with_query(routes.MCP, status=self.status)
        self._put(
            rows=[_row(one, probes.get(one.name)) for one in found.entries],
            next_href=following if found.following else "",
            first_href=first if self._after else "",
        )


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


@rx.page(route=routes.MCP, title="MCP servers · aMaze", on_load=[McpState.load, ToolsState.load])
def mcp() -> rx.Component:
    """The page."""
    return page(
        "MCP servers",
        rx.el.div(
            filter_bar(pill("all", routes.MCP, McpState.status == ""), *map(_pill, STATUSES)),
            class_name="mb-4",
        ),
        card(
            data_table(
                ("Server", "Status", "URL", "Tools", "Last probe", ""),
                McpState.rows,
                _server,
                loaded=McpState.loaded,
                nothing=_nothing(),
                label="MCP servers",
            ),
            pager(McpState.first_href, McpState.next_href),
            class_name="",
        ),
        mcp_tools.tools_of_the_server(),
        _adding(),
        confirm(
            rx.Var.create("Delete ") + McpState.deleting + "?",
            "Its next call is refused, and what was accepted of its tools is forgotten.",
            opened=McpState.deleting != "",
            yes="Delete",
            on_yes=McpState.delete(McpState.deleting),
            on_no=McpState.close,
        ),
        beside=rx.cond(PageState.can_admin, button("Add a server", McpState.add, "accent")),
    )


def _pill(status: str) -> rx.Component:
    href = routes.with_query(routes.MCP, status=status)
    return pill(status, href, McpState.status == status)


def _server(row: rx.Var[ServerRow]) -> rx.Component:
    failed = rx.el.p(row.error, class_name="max-w-72 text-xs text-(--bad)")
    return line(
        cell(link(row.name, row.href)),
        cell(badge(row.status)),
        cell(row.url, rx.cond(row.waits != "", _waiting(row)), class_name="break-all"),
        cell(
            row.tools,
            rx.cond(row.otherwise > 0, badge(row.otherwise.to_string() + " to look at", "warn")),
        ),
        cell(time_text(row.probed_ms), rx.cond(row.error != "", failed)),
        cell(rx.cond(PageState.can_admin, _actions(row))),
        key=row.name,
        server=row.name,
    )


def _actions(row: rx.Var[ServerRow]) -> rx.Component:
    approve = button("Approve", McpState.approve(row.name, row.url), "good")
    reject = button("Reject", McpState.reject(row.name, row.url))
    busy = McpState.busy == row.name
    probe = button(rx.cond(busy, "Probing …", "Probe"), McpState.probe(row.name), disabled=busy)
    return rx.el.div(
        rx.match(
            row.status, ("pending", rx.fragment(approve, reject)), ("approved", reject), approve
        ),
        rx.cond(row.status != "rejected", probe),
        button("Delete", McpState.ask_delete(row.name), "bad"),
        class_name="flex justify-end gap-2",
    )


def _waiting(row: rx.Var[ServerRow]) -> rx.Component:
    """Registered anew without proof: the present URL works on until this is decided."""
    return rx.el.div(
        rx.el.span("Wants to move to ", rx.el.code(row.waits)),
        rx.cond(
            PageState.can_admin,
            rx.fragment(
                button("Approve the move", McpState.approve(row.name, row.waits), "warn"),
                button("Refuse it", McpState.reject(row.name, row.waits)),
            ),
        ),
        class_name="mt-1 flex flex-wrap items-center gap-2 text-xs text-(--warn)",
    )


def _nothing() -> rx.Component:
    return rx.cond(
        McpState.status == "",
        empty(
            "plug",
            "No MCP server is registered",
            rx.el.p(
                "A server registers itself, and waits here for approval; or add one by its URL."
            ),
            rx.cond(PageState.can_admin, button("Add a server", McpState.add, "accent")),
        ),
        empty("list-filter", "No such server", link("Show all servers", routes.MCP)),
    )


def _adding() -> rx.Component:
    return dialog(
        "Add an MCP server",
        "It is approved at once. Agents call it as http://NAME/… through the proxy.",
        rx.el.form(
            field(
                "Name",
                text_input("name", required=True, max_length=63, placeholder="files"),
                "name",
                hint="a-z, 0-9 and '-'. Policies allow its tools as name/tool.",
            ),
            field(
                "URL",
                text_input(
                    "url", required=True, max_length=2048, placeholder="http://10.0.0.5:9000/mcp"
                ),
                "url",
                hint="Its endpoint with the path; it may be a private address.",
            ),
            rx.el.div(
                button("Cancel", McpState.close),
                button("Add", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=McpState.create,
        ),
        opened=McpState.adding,
        on_close=McpState.close,
        name="add-server",
    )
