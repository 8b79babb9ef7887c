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
from amaze_app.pages.policy_state import VERSIONS, PolicyState
from amaze_app.pages.policy_versions_state import VersionsState
from amaze_app.policy_versions import ChangeRow, VersionRow


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
            class_name="min-w-52",
        ),
        cell(_value(row.old, "bad"), class_name="min-w-40"),
        cell(_value(row.new, "good"), class_name="min-w-40"),
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
