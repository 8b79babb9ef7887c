"""What is done to an agent, and the dialogs of it: of every page that shows one."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import connecting, routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import button
from amaze_app.components.forms import confirm, dialog, field, text_input
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need
from amaze_app.gateway.agents import Action, AgentView
from amaze_app.state import PageState


@dataclass(frozen=True)
class AgentRow:
    """An agent as the pages show it."""

    agent_id: str
    status: str
    owner: str
    updated_ms: int
    claim: str
    claim_ms: int
    claim_from: str
    changeable: bool
    href: str


class AgentActs(PageState, mixin=True):
    """The acts: a page that inherits this, and PageState, has handlers and dialogs of its own."""

    chosen: str = ""
    owner_of: str = ""
    quarantining: str = ""
    credential: str = ""
    snippets: rx.Field[dict[str, str]] = rx.field(default_factory=dict)

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
        self._forget()

    def _forget(self) -> None:
        self.chosen = self.owner_of = self.quarantining = self.credential = ""
        self.snippets = {}

    async def _act(self, action: Action, agent_id: str, done: str, claim: str = "") -> None:
        who = await self._principal()
        await self._do(self._gateway.agents.act(who, action, agent_id, claim), f"{agent_id} {done}")

    def _connect(self, agent_id: str, credential: str) -> None:
        self.chosen, self.credential = agent_id, credential
        settings = self._gateway.settings
        self.snippets = connecting.snippets(settings, agent_id, credential, self._host)


def agent_row(agent: AgentView) -> AgentRow:
    """Of what the gateway knows."""
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


def dialogs(state: type[AgentActs]) -> rx.Component:
    """Those that the acts open."""
    return rx.fragment(
        _connecting(state),
        _owner(state),
        confirm(
            rx.Var.create("Quarantine ") + state.quarantining + "?",
            "Its next call is refused, until it is released.",
            opened=state.quarantining != "",
            yes="Quarantine",
            on_yes=state.quarantine(state.quarantining),
            on_no=state.close,
        ),
    )


def buttons(state: type[AgentActs], row: rx.Var[AgentRow]) -> rx.Component:
    """What may be done to the agent, as it is."""
    agent_id = row.agent_id
    approve = button("Approve", state.approve(agent_id, ""), "good")
    decide = rx.match(
        row.status,
        ("pending", rx.fragment(approve, button("Reject", state.reject(agent_id)))),
        ("approved", button("Quarantine", state.ask_quarantine(agent_id), "bad")),
        ("quarantined", button("Release", state.release(agent_id), "warn")),
        approve,
    )
    rotate = rx.cond(
        (row.status == "approved") | (row.status == "pending"),
        button("Rotate", state.rotate(agent_id), title="A new credential"),
    )
    return rx.el.div(
        rx.cond(row.changeable, rx.fragment(decide, rotate)),
        rx.cond(PageState.can_admin, button("Owner", state.ask_owner(agent_id))),
        button("Connect", state.choose(agent_id)),
        class_name="flex justify-end gap-2",
    )


def claim(state: type[AgentActs], row: rx.Var[AgentRow]) -> rx.Component:
    """A second registration without proof: the present one works on until this is decided."""
    return rx.el.div(
        rx.el.span("Another registration waits since ", time_text(row.claim_ms)),
        rx.cond(row.claim_from != "", rx.el.span("from ", row.claim_from)),
        rx.cond(
            row.changeable,
            rx.fragment(
                button("Hand over", state.approve(row.agent_id, row.claim), "warn"),
                rx.cond(
                    row.status == "approved",
                    button("Refuse it", state.reject(row.agent_id)),
                ),
            ),
        ),
        class_name="mt-1 flex flex-wrap items-center gap-2 text-xs text-(--warn)",
    )


def _connecting(state: type[AgentActs]) -> rx.Component:
    """What to type for the agent that was chosen."""

    def snippet(title: str, name: str) -> rx.Component:
        return rx.el.div(
            rx.el.p(title, class_name="mb-1 text-xs a-dim"),
            code_block(state.snippets.get(name, ""), f"copy-{name}"),
            class_name="mb-3",
        )

    return dialog(
        rx.Var.create("Connect ") + state.chosen,
        "On the machine where it runs.",
        rx.cond(
            state.credential != "",
            rx.el.div(
                rx.el.p(
                    "The new credential, shown this once. Earlier ones end in ten minutes.",
                    class_name="mb-1 text-xs text-(--warn)",
                ),
                code_block(state.credential, "copy-credential"),
                class_name="mb-3",
            ),
        ),
        snippet("Run it", "run"),
        snippet("Or give it this environment", "environment"),
        snippet("Or in compose", "compose"),
        rx.el.div(button("Close", state.close), class_name="flex justify-end"),
        opened=state.chosen != "",
        on_close=state.close,
        name="connect",
    )


def _owner(state: type[AgentActs]) -> rx.Component:
    return dialog(
        rx.Var.create("Owner of ") + state.owner_of,
        "The user who may see and change it; empty: admins alone.",
        rx.el.form(
            field("User name", text_input("owner", max_length=63), "owner"),
            rx.el.div(
                button("Cancel", state.close),
                button("Save", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=state.set_owner,
        ),
        opened=state.owner_of != "",
        on_close=state.close,
        name="owner-dialog",
    )
