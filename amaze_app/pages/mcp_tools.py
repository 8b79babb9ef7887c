"""The tools of one MCP server, as the last probe found them, beside what was accepted."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import json_view
from amaze_app.components.elements import badge, button, link, section
from amaze_app.components.feedback import skeleton
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal, Refused
from amaze_app.gateway.servers import OTHERWISE, Definition, ToolView
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import PageState

_TONES = {"accepted": "good", "new": "warn", "changed": "bad", "gone": "bad", "shown": "bad"}
_SAYS = {
    "accepted": "as it was accepted",
    "new": "not there when the others were accepted",
    "changed": "not what was accepted",
    "gone": "accepted, and not there any more",
    "shown": "agents were shown another definition than the accepted one",
    "not pinned": "nothing was accepted yet",
}


@dataclass(frozen=True)
class ToolRow:
    """A tool; `was_…`: as it was accepted ("": the same, or not known)."""

    name: str
    state: str
    tone: str
    says: str
    description: str
    schema: str
    output: str
    sha256: str
    was_sha256: str
    was_description: str
    was_schema: str
    was_output: str


@live(routes.MCP, Topic.REGISTRY)
class ToolsState(PageState):
    """The server that the URL names."""

    server: str = ""
    tools: rx.Field[list[ToolRow]] = rx.field(default_factory=list)
    says: str = ""
    failed: str = ""
    probed_ms: int = 0
    pinned_ms: int = 0
    otherwise: int = 0
    read: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the server that the URL names."""
        self.server = self._argument("server")
        self.tools, self.read = [], False
        await self._refresh()
        self.read = True

    @allowed(Need.ADMIN)
    async def accept(self, name: str, sha256: str, state: str) -> None:
        """This tool is as it should be."""
        await self._accept({str(name): str(sha256)}, False, f"{name} is accepted", state == "shown")

    @allowed(Need.ADMIN)
    async def accept_all(self) -> None:
        """All tools that are shown are as they should be, and there are no others."""
        there = {one.name: one.sha256 for one in self.tools if one.state not in ("gone", "shown")}
        await self._accept(there, True, f"the tools of {self.server} are accepted")

    async def _accept(
        self, tools: dict[str, str], whole: bool, said: str, seen: bool = False
    ) -> None:
        who = await self._principal()
        await self._do(self._gateway.mcp.accept(who, self.server, tools, whole, seen), said)

    async def _show(self, who: Principal) -> None:
        if not self.server:
            return
        try:
            found = await self._gateway.mcp.look(who, self.server)
        except Refused:  # deleted, or a bad name in the URL
            self._put(server="", tools=[])
            raise
        self._put(
            tools=list(map(_row, found.tools)),
            otherwise=sum(one.state in (*OTHERWISE, "gone") for one in found.tools),
            says=found.says,
            failed=found.error,
            probed_ms=found.probed_ms,
            pinned_ms=found.record.pinned_ms,
        )


def _row(tool: ToolView) -> ToolRow:
    now, was = tool.now, tool.before or Definition("")
    return ToolRow(
        name=tool.name,
        state=tool.state,
        tone=_TONES.get(tool.state, "calm"),
        says=_SAYS[tool.state],
        description=now.description,
        schema=now.input_schema,
        output=now.output_schema,
        sha256=now.sha256,
        was_sha256=was.sha256,
        was_description=was.description,
        was_schema=was.input_schema,
        was_output=was.output_schema,
    )


def tools_of_the_server() -> rx.Component:
    """The section below the list; nothing while no server is chosen."""
    name = ToolsState.server
    return rx.cond(
        name != "",
        rx.el.div(
            section(
                rx.Var.create("Tools of ") + name,
                rx.cond(
                    ToolsState.read,
                    rx.fragment(_about(), rx.foreach(ToolsState.tools, _tool)),
                    skeleton(3),
                ),
                beside=rx.el.div(
                    rx.cond(
                        PageState.can_admin & (ToolsState.otherwise > 0),
                        button("Accept all", ToolsState.accept_all, "accent"),
                    ),
                    link("Close", routes.MCP),
                    class_name="flex items-center gap-3",
                ),
            ),
            id="tools",
            class_name="mt-5",
        ),
    )


def _about() -> rx.Component:
    return rx.el.div(
        rx.cond(
            ToolsState.probed_ms > 0,
            rx.el.p(
                rx.cond(ToolsState.says != "", ToolsState.says + " · ", ""),
                "probed ",
                time_text(ToolsState.probed_ms),
                rx.cond(
                    ToolsState.pinned_ms > 0,
                    rx.el.span(" · accepted ", time_text(ToolsState.pinned_ms)),
                ),
            ),
            rx.el.p("Never probed: press Probe to see its tools and to pin them."),
        ),
        rx.cond(
            ToolsState.failed != "",
            rx.el.p("The last probe failed: ", ToolsState.failed, class_name="text-(--bad)"),
        ),
        class_name="px-4 pb-3 text-xs a-dim",
    )


def _tool(row: rx.Var[ToolRow]) -> rx.Component:
    otherwise = (row.state != "accepted") & (row.state != "not pinned")
    return rx.el.details(
        rx.el.summary(
            rx.el.code(row.name, class_name="font-medium"),
            badge(row.state, row.tone),
            rx.el.span(row.says, class_name="text-xs a-dim"),
            class_name="flex cursor-pointer flex-wrap items-center gap-3 px-4 py-3 text-sm",
        ),
        rx.el.div(
            rx.cond(
                row.was_sha256 != "",
                rx.el.div(
                    _definition(
                        "Accepted",
                        (row.was_description, row.was_schema, row.was_output, row.was_sha256),
                    ),
                    rx.cond(
                        row.state == "gone",
                        rx.fragment(),
                        _definition("Now", (row.description, row.schema, row.output, row.sha256)),
                    ),
                    class_name="grid gap-4 lg:grid-cols-2",
                ),
                _definition("", (row.description, row.schema, row.output, row.sha256)),
            ),
            rx.cond(
                PageState.can_admin & otherwise & (row.state != "gone"),
                button(
                    "Accept this one", ToolsState.accept(row.name, row.sha256, row.state), "accent"
                ),
            ),
            class_name="flex flex-col items-start gap-3 px-4 pb-4",
        ),
        open=otherwise,
        key=row.name + row.state,
        custom_attrs={"data-tool": row.name},
        class_name="border-t border-(--line)",
    )


def _definition(
    title: str, given: tuple[rx.Var[str], rx.Var[str], rx.Var[str], rx.Var[str]]
) -> rx.Component:
    description, schema, output, sha256 = given
    return rx.el.div(
        rx.el.h3(title, class_name="text-xs font-semibold") if title else rx.fragment(),
        rx.cond(
            description != "",
            rx.el.p(description, class_name="text-sm whitespace-pre-wrap break-words"),
        ),
        _schema("Input", schema),
        _schema("Output", output),
        rx.el.p("SHA-256 ", rx.el.code(sha256), class_name="text-xs a-dim break-all"),
        class_name="flex w-full min-w-0 flex-col gap-2",
    )


def _schema(title: str, text: rx.Var[str]) -> rx.Component:
    shown = rx.el.div(rx.el.p(title, class_name="text-xs a-dim"), json_view(text))
    return rx.cond(text != "", shown)
