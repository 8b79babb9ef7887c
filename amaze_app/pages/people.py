"""Users: who they are, what they may do, and whether they may still come in."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, empty, section
from amaze_app.components.forms import choice, confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gateway.people import ROLES
from amaze_app.pages import people_keys
from amaze_app.pages.people_keys import KeysState
from amaze_app.pages.people_state import PeopleState, UserRow
from amaze_app.shell import page
from amaze_app.state import PageState


@rx.page(
    route=routes.PEOPLE,
    title="Users and API keys · aMaze",
    on_load=[PeopleState.load, KeysState.load],
)
def people() -> rx.Component:
    """The page."""
    return page(
        "Users and API keys",
        rx.cond(
            PageState.can_read_all | (PageState.role == ""),
            section(
                "Users",
                data_table(
                    ("User", "Role", "Status", "Sessions", ""),
                    PeopleState.rows,
                    _user,
                    loaded=PeopleState.loaded,
                    nothing=empty("users", "No more users"),
                    label="Users",
                ),
                pager(PeopleState.first_href, PeopleState.next_href),
                beside=rx.cond(
                    PageState.can_admin, button("Add a user", PeopleState.add, "accent")
                ),
            ),
        ),
        people_keys.keys(),
        _adding(),
        _password(),
        confirm(
            PeopleState.question,
            PeopleState.warning,
            opened=PeopleState.asking != "",
            yes="Yes, do it",
            on_yes=PeopleState.confirmed,
            on_no=PeopleState.close,
        ),
    )


def _user(row: rx.Var[UserRow]) -> rx.Component:
    status = rx.cond(row.status == "pending", badge("password due", "warn"), badge(row.status))
    return line(
        cell(
            rx.el.p(row.name, class_name="font-medium"),
            rx.el.p("changed ", time_text(row.updated_ms), class_name="text-xs a-dim"),
        ),
        cell(rx.cond(PageState.can_admin, _role(row), row.role)),
        cell(status),
        cell(row.sessions),
        cell(rx.cond(PageState.can_admin, _actions(row))),
        key=row.name,
        user=row.name,
    )


def _role(row: rx.Var[UserRow]) -> rx.Component:
    return rx.el.select(
        *(rx.el.option(role, value=role) for role in ROLES),
        value=row.role,
        on_change=lambda role: PeopleState.set_role(row.name, role),
        aria_label=rx.Var.create("Role of ") + row.name,
        class_name="a-input min-w-28",
    )


def _actions(row: rx.Var[UserRow]) -> rx.Component:
    def asks(text: str, what: str, tone: str = "") -> rx.Component:
        return button(text, PeopleState.ask(what, row.name), tone)

    return rx.el.div(
        asks("Reset password", "reset"),
        rx.cond(row.sessions > 0, asks("End sessions", "sessions")),
        rx.cond(
            row.status == "disabled",
            button("Enable", PeopleState.enable(row.name), "good"),
            asks("Disable", "disable", "warn"),
        ),
        asks("Delete", "delete", "bad"),
        class_name="flex justify-end gap-2",
    )


def _adding() -> rx.Component:
    return dialog(
        "Add a user",
        "A password is made and shown once; it opens nothing but its own change.",
        rx.el.form(
            field(
                "User name",
                text_input("name", required=True, max_length=63),
                "name",
                hint="a-z, 0-9, '.', '_', '@' and '-'",
            ),
            field(
                "Role",
                choice("role", ("viewer", "operator", "admin")),
                "role",
                hint="viewer reads everything; operator changes the agents they own; admin all.",
            ),
            rx.el.div(
                button("Cancel", PeopleState.close),
                button("Add", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=PeopleState.create,
        ),
        opened=PeopleState.adding,
        on_close=PeopleState.close,
        name="add-user",
    )


def _password() -> rx.Component:
    return dialog(
        rx.Var.create("Password of ") + PeopleState.shown_for,
        "Shown this once. It must be changed when they sign in.",
        code_block(PeopleState.password, "copy-password"),
        rx.el.div(button("Close", PeopleState.close), class_name="mt-4 flex justify-end"),
        opened=PeopleState.password != "",
        on_close=PeopleState.close,
        name="password",
    )
