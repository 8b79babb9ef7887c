"""The agents: who there is, who waits for a decision, and how to connect another one."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes, runtime, texts
from amaze_app.components.elements import DIM, empty, notice, pill, snippet, waiting
from amaze_app.gateway import Action, AgentView, Outage, Refused
from amaze_app.state import PageState
from amaze_app.template import page

_PAGE = 50
_STATUSES = ("pending", "approved", "quarantined", "rejected")
_EXAMPLE = "my-agent"


@dataclass(frozen=True)
class AgentRow:
    """An agent as the table shows it."""

    agent_id: str
    status: str
    owner: str
    created: str
    changed: str
    claim: str
    claim_text: str
    calls: str


class AgentsState(PageState):
    """A page of agents; filter and place are in the URL."""

    rows: rx.Field[list[AgentRow]] = rx.field(default_factory=list)
    counts: rx.Field[dict[str, int]] = rx.field(default_factory=dict)
    status: str = ""
    next_href: str = ""
    first_href: str = ""
    chosen: str = ""
    loaded: bool = False
    _after: str = ""

    @rx.event
    async def load(self) -> None:
        """Reads the page that the URL names."""
        query = self.router.url.query_parameters
        status = query.get("status", "")
        self.status = status if status in _STATUSES else ""
        self._after = query.get("after", "")[:64]
        self.notice = ""
        await self._refresh()
        self.loaded = True

    @rx.event
    async def approve(self, agent_id: str, claim: str) -> None:
        """Lets an agent, or the registration `claim` of it, work."""
        await self._act(Action.APPROVE, agent_id, claim)

    @rx.event
    async def reject(self, agent_id: str) -> None:
        """Refuses what waits."""
        await self._act(Action.REJECT, agent_id)

    @rx.event
    async def quarantine(self, agent_id: str) -> None:
        """Stops an agent."""
        await self._act(Action.QUARANTINE, agent_id)

    @rx.event
    async def release(self, agent_id: str) -> None:
        """Ends a quarantine."""
        await self._act(Action.RELEASE, agent_id)

    @rx.event
    def choose(self, agent_id: str) -> None:
        """Shows the commands for this agent."""
        self.chosen = agent_id

    @rx.event
    def close(self, _open: bool) -> None:
        """Takes the commands away."""
        self.chosen = ""

    async def _act(self, action: Action, agent_id: str, claim: str = "") -> None:
        self.notice = ""
        try:
            await runtime.current().gateway.act(action, str(agent_id), str(claim))
        except (Refused, Outage) as error:
            self.notice = str(error)
        await self._refresh()

    async def _refresh(self) -> None:
        """Shows what there is now; what is the same is not sent again."""
        gateway = runtime.current().gateway
        try:
            found = await gateway.agents(self.status, self._after, _PAGE)
            counts = dict(await gateway.counts())
            self._well()
        except (Refused, Outage) as error:
            self._unwell(str(error))
            return
        rows = [_row(agent) for agent in found.agents]
        following = routes.with_query(routes.AGENTS, status=self.status, after=found.following)
        first = routes.with_query(routes.AGENTS, status=self.status)
        shown: dict[str, object] = {
            "rows": rows,
            "counts": counts,
            "next_href": following if found.following else "",
            "first_href": first if self._after else "",
        }
        for name, value in shown.items():
            if getattr(self, name) != value:
                setattr(self, name, value)


def _row(agent: AgentView) -> AgentRow:
    where = f", listening at {agent.claim_from}" if agent.claim_from else ""
    return AgentRow(
        agent_id=agent.agent_id,
        status=agent.status,
        owner=agent.owner,
        created=texts.moment(agent.created_ms),
        changed=texts.moment(agent.updated_ms),
        claim=agent.claim,
        claim_text=f"Another registration waits since {texts.moment(agent.claim_ms)}{where}.",
        calls=routes.with_query(routes.CALLS, agent=agent.agent_id),
    )


@rx.page(route=routes.AGENTS, title="Agents · aMaze", on_load=AgentsState.load)
def agents() -> rx.Component:
    """The page."""
    return page(
        "Agents",
        notice(AgentsState.notice, AgentsState.dismiss),
        rx.cond(
            AgentsState.loaded,
            rx.el.div(
                rx.cond(AgentsState.rows.length() > 0, _table(), _nothing()),
                _pager(),
                _connect(),
                id="loaded",
                class_name="flex flex-col gap-5",
            ),
            waiting(),
        ),
        beside=_filters(),
    )


def _filters() -> rx.Component:
    return rx.el.div(
        pill("all", routes.AGENTS, AgentsState.status == ""),
        *(
            pill(
                rx.cond(
                    AgentsState.counts.get(status, 0) > 0,
                    f"{status} " + AgentsState.counts.get(status, 0).to_string(),
                    status,
                ),
                routes.with_query(routes.AGENTS, status=status),
                AgentsState.status == status,
            )
            for status in _STATUSES
        ),
        class_name="flex flex-wrap gap-2",
    )


def _table() -> rx.Component:
    heads = ("Agent", "Status", "Owner", "Registered (UTC)", "Changed (UTC)", "")
    return rx.table.root(
        rx.table.header(rx.table.row(*(rx.table.column_header_cell(head) for head in heads))),
        rx.table.body(rx.foreach(AgentsState.rows, _agent)),
        variant="surface",
        size="2",
        id="agents",
    )


def _agent(row: rx.Var[AgentRow]) -> rx.Component:
    return rx.table.row(
        rx.table.row_header_cell(
            rx.link(row.agent_id, href=row.calls, title="Its calls"),
            rx.cond(row.claim != "", _claim(row)),
        ),
        rx.table.cell(_status(row.status)),
        rx.table.cell(rx.cond(row.owner != "", row.owner, "–")),
        rx.table.cell(row.created, class_name="whitespace-nowrap"),
        rx.table.cell(row.changed, class_name="whitespace-nowrap"),
        rx.table.cell(_actions(row)),
        align="center",
        custom_attrs={"data-agent": row.agent_id},
    )


def _status(status: rx.Var[str]) -> rx.Component:
    colors = rx.match(
        status, ("approved", "green"), ("pending", "amber"), ("quarantined", "red"), "gray"
    )
    return rx.badge(status, color_scheme=colors)


def _actions(row: rx.Var[AgentRow]) -> rx.Component:
    return rx.el.div(
        rx.match(
            row.status,
            (
                "pending",
                rx.fragment(
                    _button("Approve", AgentsState.approve(row.agent_id, ""), "green"),
                    _button("Reject", AgentsState.reject(row.agent_id), "gray"),
                ),
            ),
            ("approved", _button("Quarantine", AgentsState.quarantine(row.agent_id), "red")),
            ("quarantined", _button("Release", AgentsState.release(row.agent_id), "amber")),
            _button("Approve", AgentsState.approve(row.agent_id, ""), "green"),
        ),
        _button("Connect", AgentsState.choose(row.agent_id), "indigo"),
        class_name="flex justify-end gap-2",
    )


def _claim(row: rx.Var[AgentRow]) -> rx.Component:
    """A second registration without proof: the present one works on until this is decided."""
    return rx.el.div(
        rx.el.span(row.claim_text),
        _button("Hand over", AgentsState.approve(row.agent_id, row.claim), "amber"),
        rx.cond(
            row.status == "approved",
            _button("Refuse it", AgentsState.reject(row.agent_id), "gray"),
        ),
        class_name="mt-1 flex flex-wrap items-center gap-2 text-xs font-normal text-(--amber-11)",
    )


def _button(text: str, event: rx.event.EventSpec, color: rx.Var[str] | str) -> rx.Component:
    return rx.button(text, on_click=event, size="1", variant="soft", color_scheme=color)


def _nothing() -> rx.Component:
    return rx.cond(
        AgentsState.status == "",
        empty(
            "bot",
            "No agent has registered yet",
            rx.el.p("Any program can be one, without a change. It shows up here, pending."),
            rx.el.div(*_steps(_EXAMPLE, "copy-first"), class_name="w-full max-w-xl text-left"),
        ),
        empty(
            "list-filter",
            "No agent has this status",
            rx.link("Show all agents", href=routes.AGENTS),
        ),
    )


def _pager() -> rx.Component:
    return rx.el.div(
        rx.cond(AgentsState.first_href != "", rx.link("First", href=AgentsState.first_href)),
        rx.cond(AgentsState.next_href != "", rx.link("Next", href=AgentsState.next_href)),
        class_name="flex justify-center gap-6 text-sm empty:hidden",
    )


def _connect() -> rx.Component:
    """What to type for the agent that was chosen."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Connect ", AgentsState.chosen),
            rx.dialog.description(
                "On the machine where it runs, and where you administer.", size="2"
            ),
            rx.el.div(*_steps(AgentsState.chosen, "copy"), class_name="my-4"),
            rx.dialog.close(rx.button("Close", variant="soft")),
            id="connect",
        ),
        open=AgentsState.chosen != "",
        on_open_change=AgentsState.close,
    )


def _steps(name: rx.Var[str] | str, prefix: str) -> list[rx.Component]:
    """`prefix` begins the ids of the copy buttons."""
    steps = (
        ("Run it; its calls go through the proxy", f"amaze run --agent {name} -- python agent.py"),
        ("Say what it may do", f"amaze policy put {name} policy.yaml"),
        ("Or create it beforehand, approved", f"amaze agents create {name} --policy policy.yaml"),
    )
    return [
        rx.el.div(
            rx.el.p(text, class_name=f"mb-1 text-xs {DIM}"),
            snippet(command, f"{prefix}-{number}"),
            class_name="mb-3",
        )
        for number, (text, command) in enumerate(steps, 1)
    ]
