"""MCP servers: who there is, who waits, and what the last probe found."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import badge, button, card, empty, link
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.forms import confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gateway.servers import STATUSES
from amaze_app.pages import mcp_tools
from amaze_app.pages.mcp_state import McpState, ServerRow
from amaze_app.pages.mcp_tools import ToolsState
from amaze_app.shell import page
from amaze_app.state import PageState


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
                ("Server", "Status", "Tools", "Last probe", ""),
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
        cell(
            link(row.name, row.href),
            rx.el.p(row.url, class_name="min-w-44 text-xs break-all a-dim"),
            rx.cond(row.waits != "", _waiting(row)),
        ),
        cell(badge(row.status)),
        cell(
            rx.el.div(
                row.tools,
                rx.cond(
                    row.otherwise > 0, badge(row.otherwise.to_string() + " to look at", "warn")
                ),
                class_name="flex items-center gap-2",
            ),
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
