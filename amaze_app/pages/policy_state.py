"""The draft of a policy: the one text that form, YAML, graph and simulation work on.

It is kept for each person and agent (`gateway.drafts`) with every change, until it is saved or
discarded; so a reload, a lost connection and a restart of the UI keep it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

import reflex as rx

from amaze_app import policy_draft, routes
from amaze_app.gate import allowed
from amaze_app.gateway import LostUpdate, Need, NotInForce, Principal, Refused
from amaze_app.gateway.drafts import MOST_TEXT
from amaze_app.gateway.policies import Current, PolicyVersion, Remark
from amaze_app.live import live
from amaze_app.pages.policy_graph import GraphActs
from amaze_app.policy_form import Shown, shown
from amaze_app.policy_versions import text_of
from amaze_app.pulse import Topic
from amaze_app.state import PageState

FORM, YAML, GRAPH, VERSIONS, SIMULATE = "form", "yaml", "graph", "versions", "simulate"
TABS = (FORM, YAML, GRAPH, VERSIONS, SIMULATE)
COMMENT_MAX = 200


@dataclass(frozen=True)
class RemarkRow:
    """Something about a field of the draft ("": the whole); `line` from 1, 0: it cannot be told."""

    field: str
    line: int
    message: str


@dataclass(frozen=True)
class InForce:
    """The active version; 0: there is none. `waits`: the store has not taken it yet."""

    version: int = 0
    author: str = ""
    created_ms: int = 0
    comment: str = ""
    waits: bool = False


@live(routes.POLICY, Topic.POLICIES, Topic.AGENTS)
class PolicyState(GraphActs, PageState):
    """The draft for the agent that the address names.

    `agent` is its id (`agent_id` is Reflex's own name for that part of the address). `draft` began
    with version `seen` (0: none) and is `dirty` where it says something else. `revision` moves when
    the text was replaced by anything but the typing in the YAML editor.
    """

    agent: str = ""
    tab: str = FORM
    draft: str = ""
    revision: int = 0
    errors: rx.Field[list[RemarkRow]] = rx.field(default_factory=list)
    warnings: rx.Field[list[RemarkRow]] = rx.field(default_factory=list)
    form: Shown = Shown()
    dirty: bool = False
    seen: int = 0
    now: InForce = InForce()
    can_edit: bool = False
    known: bool = False
    loaded: bool = False
    discarding: bool = False
    _read: bool = False
    _base: str = ""
    _layout: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the agent and the view that the URL names, and what was drafted."""
        agent = unquote(self.router.url.path.rstrip("/").split("/")[-2])[:64]
        if agent != self.agent:
            self._forget()
            self.agent = agent
        self.tab = self._argument("tab", TABS) or FORM
        self._read = False
        await self._open()
        self.loaded = True

    @allowed(Need.OPERATOR, owns="agent_id")
    async def take(self, agent_id: str, revision: int, text: str) -> None:
        """What was typed in the YAML editor, if it is the editor of this `revision` still."""
        if agent_id == self.agent and revision == self.revision and text != self.draft:
            await self._do(self._take(await self._principal(), str(text)))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def save(self, agent_id: str, form: dict[str, str]) -> None:
        """Makes the draft a version."""
        if agent_id != self.agent:
            return
        comment = str(form.get("comment", "")).strip()[:COMMENT_MAX]
        saved = await self._do(self._save(await self._principal(), comment))
        if saved is not None:
            self.said = f"Version {saved.version} is saved: it governs the next call"

    @allowed(Need.OPERATOR, owns="agent_id")
    def ask_discard(self, agent_id: str) -> None:
        """Asks before the draft is forgotten."""
        self.discarding = agent_id == self.agent

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts the dialog."""
        self.discarding = False

    @allowed(Need.OPERATOR, owns="agent_id")
    async def discard(self, agent_id: str) -> None:
        """Back to the version in force."""
        self.discarding = False
        if agent_id == self.agent:
            await self._do(self._drop(await self._principal()))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def rebase(self, agent_id: str, number: int) -> None:
        """The draft as it is, upon version `number`: what that one changed is overwritten."""
        if agent_id == self.agent:
            await self._do(self._upon(await self._principal(), number))

    async def _replace(self, who: Principal, text: str) -> None:
        """Takes a new text of the draft from form or graph. Raises Refused, Outage."""
        if text != self.draft:
            self.revision += 1
            await self._take(who, text)

    async def _keep_layout(self, who: Principal, layout: str) -> None:
        """Keeps where the nodes of the graph are, beside the draft. Raises Refused, Outage."""
        self._layout = layout
        await self._gateway.drafts.keep(who, self.agent, self.draft, self.seen, layout)

    async def _take(self, who: Principal, text: str) -> None:
        if len(text) > MOST_TEXT:
            raise Refused(f"a policy has at most {MOST_TEXT:,} characters")
        # first, so that what is saved later is what the person sees, whatever fails below
        self._put(draft=text, dirty=text != self._base)
        await self._judge(who)
        if self.dirty:
            await self._gateway.drafts.keep(who, self.agent, text, self.seen, self._layout)
        else:
            await self._gateway.drafts.drop(who, self.agent)

    async def _judge(self, who: Principal) -> None:
        judged = await self._gateway.policies.judge(who, self.agent, self.draft)
        errors, warnings = _rows(judged.errors), _rows(judged.warnings)
        form = shown(self.draft, [(one.field, one.message) for one in errors])
        self._put(errors=errors, warnings=warnings, form=form)

    async def _save(self, who: Principal, comment: str) -> PolicyVersion:
        text = self.draft
        if self.seen and not self.dirty:
            raise Refused("nothing has changed, so there is nothing to save")
        try:
            saved = await self._gateway.policies.save(who, self.agent, text, comment, self.seen)
        except LostUpdate:
            # the other one may have been this person's, in another tab, which ended the draft
            await self._gateway.drafts.keep(who, self.agent, text, self.seen, self._layout)
            raise
        except NotInForce:
            await self._drop(who, text)
            raise
        await self._drop(who, text)
        await self._keep_places(who)
        return saved

    async def _drop(self, who: Principal, text: str | None = None) -> None:
        await self._gateway.drafts.drop(who, self.agent, text)
        await self._begin(who)

    async def _upon(self, who: Principal, number: int) -> None:
        base = await self._text(who, number)
        self._base, self.seen = base, number
        await self._take(who, self.draft)

    async def _show(self, who: Principal) -> None:
        found = await self._gateway.agents.get(who, self.agent)
        current = await self._gateway.policies.current(who, self.agent)
        self._put(can_edit=found.changeable, now=_in_force(current))
        if not self._read:
            await self._resume(who)
            self._read = True
        if not self.dirty and (self.seen != self.now.version or not self.revision):
            await self._begin(who)
        self._put(known=True)
        await self._draw(who)

    async def _resume(self, who: Principal) -> None:
        """Takes up what was drafted before, here or in another tab."""
        kept = await self._gateway.drafts.get(who, self.agent) if self.can_edit else None
        if kept is None:
            return
        self._layout, self._base = kept.layout, await self._text(who, kept.seen)
        if kept.text != self.draft:
            self.revision += 1
        self._put(draft=kept.text, seen=kept.seen, dirty=kept.text != self._base)
        await self._judge(who)

    async def _begin(self, who: Principal) -> None:
        """From the version in force."""
        current = await self._gateway.policies.current(who, self.agent)
        number = 0 if current is None else current.version.version
        self._base = policy_draft.EMPTY if current is None else text_of(current.version)
        self.revision += 1
        self._put(draft=self._base, seen=number, dirty=False)
        await self._judge(who)

    async def _text(self, who: Principal, number: int) -> str:
        if number == 0:
            return policy_draft.EMPTY
        return text_of(await self._gateway.policies.version(who, self.agent, number))

    def _forget(self) -> None:
        self.draft, self._base, self._layout = "", "", ""
        self.errors, self.warnings, self.form = [], [], Shown()
        self.dirty = self.can_edit = self.known = self.loaded = self.discarding = False
        self.now, self.seen, self.revision = InForce(), 0, 0


def _rows(remarks: Iterable[Remark]) -> list[RemarkRow]:
    return [RemarkRow(one.field, one.line, one.message) for one in remarks]


def _in_force(current: Current | None) -> InForce:
    if current is None:
        return InForce()
    one = current.version
    waits = current.in_force is False
    return InForce(one.version, one.author, one.created_ms, one.comment, waits)
