"""What the form of a policy suggests, and what it changes in the draft."""

from __future__ import annotations

from dataclasses import dataclass, field

import reflex as rx

from amaze_app import policy_form, routes
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal, Refused
from amaze_app.live import live
from amaze_app.pages.policy_state import FORM, PolicyState
from amaze_app.policy_fields import FIELDS
from amaze_app.pulse import Topic
from amaze_app.state import PageState

NAME_MAX = 400
YAML_MAX = 20_000
_KNOWN_MAX = 200


@dataclass(frozen=True)
class Suggestions:
    """Names that are registered here."""

    tools: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    providers: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)


@live(routes.POLICY, Topic.REGISTRY)
class FormState(PageState):
    """What the form suggests, and what it changes in the draft. `refused` is what was typed in a
    field and is no YAML, by the field: why."""

    known: Suggestions = Suggestions()
    refused: rx.Field[dict[str, str]] = rx.field(default_factory=dict)

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads what is registered."""
        self.refused = {}
        await self._refresh()

    @allowed(Need.OPERATOR, owns="agent_id")
    async def change(self, agent_id: str, name: str, typed: str) -> None:
        """Another value of a field."""
        await self._write(agent_id, name, lambda text: policy_form.changed(text, name, str(typed)))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def add(self, agent_id: str, name: str, form: dict[str, str]) -> None:
        """Further names."""
        typed = str(form.get("names", ""))[:YAML_MAX]
        if typed.strip():
            await self._write(agent_id, name, lambda text: policy_form.added(text, name, typed))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def limit(self, agent_id: str, name: str, form: dict[str, str]) -> None:
        """A further window."""
        window, most = str(form.get("window", "")), str(form.get("most", ""))
        await self._write(
            agent_id, name, lambda text: policy_form.limited(text, name, window, most)
        )

    @allowed(Need.OPERATOR, owns="agent_id")
    async def remove(self, agent_id: str, name: str, entry: str) -> None:
        """An entry of a list is taken away."""
        await self._write(agent_id, name, lambda text: policy_form.removed(text, name, str(entry)))

    async def _write(self, agent_id: str, name: str, do: policy_form.Change) -> None:
        draft = await self.get_state(PolicyState)
        if agent_id == draft.agent and name in FIELDS:
            await self._do(self._replaced(draft, name, do))

    async def _replaced(self, draft: PolicyState, name: str, do: policy_form.Change) -> None:
        self.refused = {one: why for one, why in self.refused.items() if one != name}
        try:
            text = do(draft.draft)
        except policy_form.Unreadable as error:
            self.refused = {**self.refused, name: str(error)}
            raise Refused(f"{FIELDS[name].label}: {error}") from None
        await draft._replace(await self._principal(), text)

    async def _show(self, who: Principal) -> None:
        if self._argument("tab") not in ("", FORM):
            return
        desks = self._gateway
        servers = (await desks.mcp.page(who, limit=_KNOWN_MAX)).entries
        hosts = (await desks.llms.page(who, limit=_KNOWN_MAX)).entries
        agents = (await desks.agents.page(who, limit=_KNOWN_MAX)).agents
        tools = [f"{one.name}/{tool}" for one in servers for tool in one.tools]
        self._put(
            known=Suggestions(
                tools[:_KNOWN_MAX],
                [f"{one.name}/" for one in servers],
                [*desks.llms.built_in, *(one.name for one in hosts)],
                [one.agent_id for one in agents],
            )
        )
