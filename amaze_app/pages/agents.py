"""The agents: who there is, who waits for a decision, and how to connect another one."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, card, empty, link
from amaze_app.components.filters import filter_bar, pill, search_box
from amaze_app.components.forms import dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.agents import STATUSES
from amaze_app.live import live
from amaze_app.pages.agent_acts import AgentActs, AgentRow, agent_row, buttons, claim, dialogs
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import Paged, PageState

_PAGE = 50


@live(routes.AGENTS, Topic.AGENTS)
class AgentsState(AgentActs, Paged, PageState):
    """A page of agents; filters and place are in the URL."""

    rows: rx.Field[list[AgentRow]] = rx.field(default_factory=list)
    counts: rx.Field[dict[str, int]] = rx.field(default_factory=dict)
    status: str = ""
    text: str = ""
    adding: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self.status = self._argument("status", STATUSES)
        self.text = self._argument("q")
        await self._open_at(self._argument("after"))

    @allowed(Need.ADMIN)
    async def create(self, form: dict[str, str]) -> None:
        """An approved agent with a credential."""
        who, agent_id = await self._principal(), str(form.get("agent_id", "")).strip()
        made = await self._do(
            self._gateway.agents.create(who, agent_id, str(form.get("owner", "")).strip())
        )
        if made is not None:
            self.adding = False
            self._connect(agent_id, made.credential)

    @allowed(Need.VIEWER)
    def add(self) -> None:
        """Shows how to add an agent."""
        self.adding = True

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog, and forgets the credential."""
        self.adding = False
        self._forget()

    async def _show(self, who: Principal) -> None:
        desk = self._gateway.agents
        found = await desk.page(who, self.status, self.text, self._place, _PAGE)
        self._put(
            rows=list(map(agent_row, found.agents)),
            counts=dict(await desk.counts(who)),
        )
        same = {"status": self.status, "q": self.text}
        self._turn(routes.AGENTS, same, "after", found.following)


@rx.page(route=routes.AGENTS, title="Agents · aMaze", on_load=AgentsState.load)
def agents() -> rx.Component:
    """The page."""
    return page(
        "Agents",
        rx.el.div(
            filter_bar(
                pill("all", routes.AGENTS, AgentsState.status == ""), *map(_status_pill, STATUSES)
            ),
            search_box(
                routes.AGENTS, "q", AgentsState.text, "Find an agent", status=AgentsState.status
            ),
            class_name="mb-4 flex flex-wrap items-center justify-between gap-3",
        ),
        card(
            data_table(
                ("Agent", "Status", "Owner", "Changed", ""),
                AgentsState.rows,
                _agent,
                loaded=AgentsState.loaded,
                nothing=_nothing(),
                label="Agents",
            ),
            pager(AgentsState.first_href, AgentsState.next_href),
            class_name="",
        ),
        _adding(),
        dialogs(AgentsState),
        beside=button("Add an agent", AgentsState.add, "accent"),
    )


def _status_pill(status: str) -> rx.Component:
    count = AgentsState.counts.get(status, 0)
    return pill(
        rx.cond(count > 0, f"{status} " + count.to_string(), status),
        routes.with_query(routes.AGENTS, status=status),
        AgentsState.status == status,
    )


def _agent(row: rx.Var[AgentRow]) -> rx.Component:
    return line(
        cell(link(row.agent_id, row.href), rx.cond(row.claim != "", claim(AgentsState, row))),
        cell(badge(row.status)),
        cell(rx.cond(row.owner != "", row.owner, "–")),
        cell(time_text(row.updated_ms)),
        cell(buttons(AgentsState, row)),
        key=row.agent_id,
        agent=row.agent_id,
    )


def _nothing() -> rx.Component:
    return rx.cond(
        (AgentsState.status == "") & (AgentsState.text == ""),
        empty(
            "bot",
            "No agent has registered yet",
            rx.el.p("Any program can be one, without a change. It shows up here, pending."),
            button("Add an agent", AgentsState.add, "accent"),
        ),
        empty("list-filter", "No such agent", link("Show all agents", routes.AGENTS)),
    )


def _adding() -> rx.Component:
    """Make one here, or run a program and approve it."""
    return dialog(
        "Add an agent",
        "Any program can be an agent: its calls go through the proxy, without a change in it.",
        rx.cond(
            PageState.can_admin,
            rx.el.form(
                field(
                    "Agent id",
                    text_input("agent_id", required=True, max_length=63),
                    "agent_id",
                    hint="a-z, 0-9 and '-'. It is approved at once; without a policy, all of its "
                    "calls are refused.",
                ),
                field(
                    "Owner",
                    text_input("owner", max_length=63),
                    "owner",
                    hint="The user who may change it; empty: admins alone.",
                ),
                rx.el.div(
                    button("Close", AgentsState.close),
                    button("Create", tone="accent", type="submit"),
                    class_name="flex justify-end gap-2",
                ),
                on_submit=AgentsState.create,
            ),
            rx.el.div(
                rx.el.p("Run it on its machine. It registers, and waits here for approval:"),
                code_block("amaze run --agent my-agent -- python agent.py", "copy-run"),
                button("Close", AgentsState.close),
                class_name="flex flex-col items-start gap-3 text-sm",
            ),
        ),
        opened=AgentsState.adding,
        on_close=AgentsState.close,
        name="add",
    )
