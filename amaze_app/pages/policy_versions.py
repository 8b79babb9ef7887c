"""The versions of a policy: who saved what and why, what is different, and the way back."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, empty, link, section
from amaze_app.components.forms import confirm
from amaze_app.components.native_form import native_form
from amaze_app.components.table import Column, cell, data_table, line, pager
from amaze_app.components.time import time_text
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


def versions_tab() -> rx.Component:
    """The list, and the difference of two."""
    return rx.el.div(
        section(
            "Versions",
            data_table(
                ("Version", "Saved", "By", "Comment", "SHA-256", Column("", end=True)),
                VersionsState.rows,
                _line,
                loaded=VersionsState.read,
                nothing=empty(
                    "history",
                    "No version yet",
                    rx.el.p("Write the policy in the form or as text, and save it."),
                ),
                label="Versions",
            ),
            pager(VersionsState.first_href, VersionsState.next_href),
        ),
        rx.cond(VersionsState.after > 0, _difference()),
        confirm(
            rx.Var.create("Roll back to version ") + VersionsState.rolling.to_string() + "?",
            "A new version with its content is saved, and governs the next call.",
            opened=VersionsState.rolling > 0,
            yes="Roll back",
            on_yes=VersionsState.roll_back(PolicyState.agent, VersionsState.rolling),
            on_no=VersionsState.close,
        ),
        class_name="space-y-4",
    )


def _line(row: rx.Var[VersionRow]) -> rx.Component:
    active = row.number == PolicyState.now.version
    return line(
        cell(
            rx.el.span(
                link(row.number.to_string(), row.href),
                rx.cond(active, badge("in force", "good")),
                class_name="flex items-center gap-2",
            )
        ),
        cell(time_text(row.created_ms)),
        cell(row.author),
        cell(rx.cond(row.comment != "", row.comment, "–"), class_name="min-w-40 wrap-anywhere"),
        cell(rx.el.code(row.sha256[:12], title=row.sha256, class_name="text-xs")),
        cell(
            rx.cond(
                PolicyState.can_edit & ~active,
                button(
                    "Roll back",
                    VersionsState.ask_rollback(PolicyState.agent, row.number),
                    aria_label=rx.Var.create("Roll back to version ") + row.number.to_string(),
                ),
            ),
            end=True,
        ),
        key=row.number,
        version=row.number,
    )


def _difference() -> rx.Component:
    before, after = VersionsState.before.to_string(), VersionsState.after.to_string()
    nothing = rx.cond(VersionsState.before > 0, "Version " + before, "Nothing (denies all)")
    return section(
        rx.cond(
            VersionsState.before > 0,
            "From version " + before + " to version " + after,
            "Version " + after,
        ),
        data_table(
            ("Field", Column(nothing), Column("Version " + after)),  # type: ignore[arg-type]
            VersionsState.changes,
            _change,
            loaded=VersionsState.read,
            nothing=empty("equal", "They say the same"),
            label="Difference",
        ),
        rx.el.details(
            rx.el.summary("All of version " + after, class_name="cursor-pointer px-4 py-3 text-sm"),
            rx.el.div(code_block(VersionsState.text, "copy-version"), class_name="px-4 pb-4"),
            class_name="border-t border-(--line)",
        ),
        beside=_two(),
    )


def _two() -> rx.Component:
    """The form that chooses what is compared."""
    return native_form(
        rx.el.input(type="hidden", name="tab", value=VERSIONS, read_only=True),
        _number("from", "From", VersionsState.before),
        _number("to", "to", VersionsState.after),
        button("Compare", type="submit"),
        action=routes.AGENTS + "/" + PolicyState.agent + "/policy",
        method="get",
        class_name="flex items-center gap-2 text-sm",
    )


def _number(name: str, label: str, value: rx.Var[int]) -> rx.Component:
    return rx.el.label(
        label,
        rx.el.div(
            rx.el.input(
                type="number",
                name=name,
                default_value=value.to_string(),
                key=name + value.to_string(),
                min="0",
                class_name="a-input",
            ),
            class_name="w-20",
        ),
        class_name="flex items-center gap-2",
    )


def _change(row: rx.Var[ChangeRow]) -> rx.Component:
    return line(
        cell(
            rx.el.code(row.path, class_name="text-xs wrap-anywhere"),
            rx.el.div(badge(row.kind, row.tone), class_name="mt-1"),
        ),
        cell(_value(row.old, "bad")),
        cell(_value(row.new, "good")),
        key=row.key,
        field=row.path,
    )


def _value(text: rx.Var[str], tone: str) -> rx.Component:
    return rx.cond(
        text != "",
        rx.el.pre(
            text,
            class_name=f"rounded bg-(--{tone}-soft) px-2 py-1 text-xs text-(--{tone}) "
            "whitespace-pre-wrap wrap-anywhere",
        ),
        rx.el.span("–", class_name="a-dim"),
    )
