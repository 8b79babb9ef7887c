"""The agents: who there is, who waits for a decision, and how to connect another one."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import connecting, routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, card, empty, link
from amaze_app.components.filters import filter_bar, pill, search_box
from amaze_app.components.forms import confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.agents import STATUSES, Action, AgentView
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_PAGE = 50


@dataclass(frozen=True)
class AgentRow:
    """An agent as the table shows it."""

    agent_id: str
    status: str
    owner: str
    updated_ms: int
    claim: str
    claim_ms: int
    claim_from: str
    changeable: bool
    href: str


@live(routes.AGENTS, Topic.AGENTS)
class AgentsState(PageState):
    """A page of agents; filters and place are in the URL."""

    rows: rx.Field[list[AgentRow]] = rx.field(default_factory=list)
    counts: rx.Field[dict[str, int]] = rx.field(default_factory=dict)
    status: str = ""
    text: str = ""
    first_href: str = ""
    next_href: str = ""
    loaded: bool = False
    adding: bool = False
    chosen: str = ""
    owner_of: str = ""
    quarantining: str = ""
    credential: str = ""
    snippets: rx.Field[dict[str, str]] = rx.field(default_factory=dict)
    _after: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self.status = self._argument("status", STATUSES)
        self.text = self._argument("q")
        self._after = self._argument("after")
        await self._open()
        self.loaded = True

    @allowed(Need.OPERATOR, owns="agent_id")
    async def approve(self, agent_id: str, claim: str) -> None:
        """Lets an agent, or the registration `claim` of it, work."""
        await self._act(Action.APPROVE, agent_id, "is approved", str(claim))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def reject(self, agent_id: str) -> None:
        """Refuses what waits."""
        await self._act(Action.REJECT, agent_id, "is rejected")

    @allowed(Need.OPERATOR, owns="agent_id")
    async def quarantine(self, agent_id: str) -> None:
        """Stops an agent."""
        self.quarantining = ""
        await self._act(Action.QUARANTINE, agent_id, "is quarantined: its next call is refused")

    @allowed(Need.OPERATOR, owns="agent_id")
    async def release(self, agent_id: str) -> None:
        """Ends a quarantine."""
        await self._act(Action.RELEASE, agent_id, "is released")

    @allowed(Need.OPERATOR, owns="agent_id")
    async def rotate(self, agent_id: str) -> None:
        """A new credential, shown until the dialog is closed."""
        who = await self._principal()
        made = await self._do(self._gateway.agents.rotate(who, agent_id))
        if made is not None:
            self._connect(agent_id, made.credential)

    @allowed(Need.ADMIN)
    async def set_owner(self, form: dict[str, str]) -> None:
        """Whose agent it is."""
        who, agent_id = await self._principal(), self.owner_of
        self.owner_of = ""
        owner = str(form.get("owner", "")).strip()
        await self._do(
            self._gateway.agents.set_owner(who, agent_id, owner),
            f"{agent_id} belongs to {owner or 'nobody'}",
        )

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
    def choose(self, agent_id: str) -> None:
        """Shows how to run this agent."""
        self._connect(str(agent_id)[:64], "")

    @allowed(Need.ADMIN)
    def ask_owner(self, agent_id: str) -> None:
        """Asks for the owner of an agent."""
        self.owner_of = str(agent_id)[:64]

    @allowed(Need.OPERATOR, owns="agent_id")
    def ask_quarantine(self, agent_id: str) -> None:
        """Asks before an agent is stopped."""
        self.quarantining = agent_id

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog, and forgets the credential."""
        self.adding = False
        self.chosen = self.owner_of = self.quarantining = self.credential = ""
        self.snippets = {}

    async def _act(self, action: Action, agent_id: str, done: str, claim: str = "") -> None:
        who = await self._principal()
        await self._do(self._gateway.agents.act(who, action, agent_id, claim), f"{agent_id} {done}")

    def _connect(self, agent_id: str, credential: str) -> None:
        self.chosen, self.credential = agent_id, credential
        self.snippets = connecting.snippets(self._gateway.settings, agent_id, credential)

    async def _show(self, who: Principal) -> None:
        desk = self._gateway.agents
        found = await desk.page(who, self.status, self.text, self._after, _PAGE)
        same = {"status": self.status, "q": self.text}
        following = routes.with_query(routes.AGENTS, **same, after=found.following)
        self._put(
            rows=list(map(_row, found.agents)),
            counts=dict(await desk.counts(who)),
            next_href=following if found.following else "",
            first_href=routes.with_query(routes.AGENTS, **same) if self._after else "",
        )


def _row(agent: AgentView) -> AgentRow:
    return AgentRow(
        agent_id=agent.agent_id,
        status=agent.status,
        owner=agent.owner,
        updated_ms=agent.updated_ms,
        claim=agent.claim,
        claim_ms=agent.claim_ms,
        claim_from=agent.claim_from,
        changeable=agent.changeable,
        href=routes.agent(agent.agent_id),
    )


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
        _connecting(),
        _owner(),
        confirm(
            rx.Var.create("Quarantine ") + AgentsState.quarantining + "?",
            "Its next call is refused, until it is released.",
            opened=AgentsState.quarantining != "",
            yes="Quarantine",
            on_yes=AgentsState.quarantine(AgentsState.quarantining),
            on_no=AgentsState.close,
        ),
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
        cell(link(row.agent_id, row.href), rx.cond(row.claim != "", _claim(row))),
        cell(badge(row.status)),
        cell(rx.cond(row.owner != "", row.owner, "–")),
        cell(time_text(row.updated_ms)),
        cell(_actions(row)),
        key=row.agent_id,
        agent=row.agent_id,
    )


def _actions(row: rx.Var[AgentRow]) -> rx.Component:
    agent_id = row.agent_id
    approve = button("Approve", AgentsState.approve(agent_id, ""), "good")
    decide = rx.match(
        row.status,
        ("pending", rx.fragment(approve, button("Reject", AgentsState.reject(agent_id)))),
        ("approved", button("Quarantine", AgentsState.ask_quarantine(agent_id), "bad")),
        ("quarantined", button("Release", AgentsState.release(agent_id), "warn")),
        approve,
    )
    rotate = rx.cond(
        (row.status == "approved") | (row.status == "pending"),
        button("Rotate", AgentsState.rotate(agent_id), title="A new credential"),
    )
    return rx.el.div(
        rx.cond(row.changeable, rx.fragment(decide, rotate)),
        rx.cond(PageState.can_admin, button("Owner", AgentsState.ask_owner(agent_id))),
        button("Connect", AgentsState.choose(agent_id)),
        class_name="flex justify-end gap-2",
    )


def _claim(row: rx.Var[AgentRow]) -> rx.Component:
    """A second registration without proof: the present one works on until this is decided."""
    return rx.el.div(
        rx.el.span("Another registration waits since ", time_text(row.claim_ms)),
        rx.cond(row.claim_from != "", rx.el.span("from ", row.claim_from)),
        rx.cond(
            row.changeable,
            rx.fragment(
                button("Hand over", AgentsState.approve(row.agent_id, row.claim), "warn"),
                rx.cond(
                    row.status == "approved",
                    button("Refuse it", AgentsState.reject(row.agent_id)),
                ),
            ),
        ),
        class_name="mt-1 flex flex-wrap items-center gap-2 text-xs text-(--warn)",
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


def _connecting() -> rx.Component:
    """What to type for the agent that was chosen."""

    def snippet(title: str, name: str) -> rx.Component:
        return rx.el.div(
            rx.el.p(title, class_name="mb-1 text-xs a-dim"),
            code_block(AgentsState.snippets.get(name, ""), f"copy-{name}"),
            class_name="mb-3",
        )

    return dialog(
        rx.Var.create("Connect ") + AgentsState.chosen,
        "On the machine where it runs.",
        rx.cond(
            AgentsState.credential != "",
            rx.el.div(
                rx.el.p(
                    "The new credential, shown this once. Earlier ones end in ten minutes.",
                    class_name="mb-1 text-xs text-(--warn)",
                ),
                code_block(AgentsState.credential, "copy-credential"),
                class_name="mb-3",
            ),
        ),
        snippet("Run it", "run"),
        snippet("Or give it this environment", "environment"),
        snippet("Or in compose", "compose"),
        rx.el.div(button("Close", AgentsState.close), class_name="flex justify-end"),
        opened=AgentsState.chosen != "",
        on_close=AgentsState.close,
        name="connect",
    )


def _owner() -> rx.Component:
    return dialog(
        rx.Var.create("Owner of ") + AgentsState.owner_of,
        "The user who may see and change it; empty: admins alone.",
        rx.el.form(
            field("User name", text_input("owner", max_length=63), "owner"),
            rx.el.div(
                button("Cancel", AgentsState.close),
                button("Save", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=AgentsState.set_owner,
        ),
        opened=AgentsState.owner_of != "",
        on_close=AgentsState.close,
        name="owner-dialog",
    )
