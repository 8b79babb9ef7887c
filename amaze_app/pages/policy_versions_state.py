"""What the versions of a policy show, and the way back."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.policies import PolicyVersion
from amaze_app.live import live
from amaze_app.pages.policy_state import VERSIONS, PolicyState
from amaze_app.policy_versions import (
    ChangeRow,
    VersionRow,
    change_rows,
    older,
    text_of,
    version_row,
)
from amaze_app.pulse import Topic
from amaze_app.state import PageState

_PAGE = 20


@live(routes.POLICY, Topic.POLICIES)
class VersionsState(PageState):
    """A page of versions; what `after` (0: there are none) changed since `before` (0: nothing)."""

    rows: rx.Field[list[VersionRow]] = rx.field(default_factory=list)
    first_href: str = ""
    next_href: str = ""
    before: int = 0
    after: int = 0
    changes: rx.Field[list[ChangeRow]] = rx.field(default_factory=list)
    text: str = ""
    rolling: int = 0
    read: bool = False
    _rolls_from: int = 0

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page and the two versions that the URL names."""
        self.rows, self.changes, self.text, self.read = [], [], "", False
        self.rolling = self.before = self.after = 0
        await self._refresh()
        # on another tab nothing was read: here it must not look as if there were no version
        self.read = self._argument("tab") == VERSIONS

    @allowed(Need.OPERATOR, owns="agent_id")
    async def ask_rollback(self, agent_id: str, number: int) -> None:
        """Asks before an old version is in force again."""
        draft = await self.get_state(PolicyState)
        if agent_id == draft.agent:
            self.rolling, self._rolls_from = number, draft.now.version

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts the dialog."""
        self.rolling = 0

    @allowed(Need.OPERATOR, owns="agent_id")
    async def roll_back(self, agent_id: str, number: int) -> None:
        """Makes a version with the content of an old one."""
        self.rolling = 0
        draft = await self.get_state(PolicyState)
        if agent_id != draft.agent:
            return
        who, seen = await self._principal(), self._rolls_from
        saved = await self._do(self._gateway.policies.rollback(who, agent_id, number, seen))
        await draft._refresh()
        if saved is not None:
            self.said = (
                f"Version {saved.version} is as version {number} was: it governs the next call"
            )

    async def _show(self, who: Principal) -> None:
        if self._argument("tab") != VERSIONS:
            return
        agent, desk = (await self.get_state(PolicyState)).agent, self._gateway.policies
        begin = self._number("before")
        found = await desk.versions(who, agent, begin, _PAGE + 1)
        following = older(found, _PAGE)
        here = routes.policy(agent, tab=VERSIONS)
        self._put(
            rows=[version_row(agent, one) for one in found[:_PAGE]],
            first_href=here if begin else "",
            next_href=f"{here}&before={following}" if following else "",
        )
        if found:
            await self._compare(who, agent, found[0])

    async def _compare(self, who: Principal, agent: str, newest: PolicyVersion) -> None:
        desk = self._gateway.policies
        after = self._number("to") or newest.version
        before = self._number("from") if self._argument("from") else None
        compared = await desk.compare(who, agent, before, after)
        shown = await desk.version(who, agent, compared.after)
        self._put(
            before=compared.before,
            after=compared.after,
            changes=change_rows(compared),
            text=text_of(shown),
        )

    def _number(self, name: str) -> int:
        given = self._argument(name)
        return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0
