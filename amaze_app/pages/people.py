"""Users: who they are, what they may do, and whether they may still come in."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, empty, section
from amaze_app.components.forms import choice, confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.people import ROLES, UserView
from amaze_app.live import live
from amaze_app.pages import people_keys
from amaze_app.pages.people_keys import KeysState
from amaze_app.pulse import Topic
from amaze_app.shell import page
from amaze_app.state import PageState

_PAGE = 50
_ASKS = {
    "delete": ("Delete", "Their sessions and API keys end with them. Agents of theirs stay."),
    "disable": ("Disable", "They are signed out everywhere and cannot sign in; keys stop working."),
    "reset": ("Reset the password of", "They are signed out everywhere; a new one is shown once."),
    "sessions": ("Sign out", "All their sessions end; they can sign in again."),
}


@dataclass(frozen=True)
class UserRow:
    """A user as the table shows them; `sessions`: how many may still last."""

    name: str
    role: str
    status: str
    sessions: int
    updated_ms: int


@live(routes.PEOPLE, Topic.PEOPLE)
class PeopleState(PageState):
    """A page of users."""

    rows: rx.Field[list[UserRow]] = rx.field(default_factory=list)
    loaded: bool = False
    adding: bool = False
    asking: str = ""
    asked_of: str = ""
    question: str = ""
    warning: str = ""
    shown_for: str = ""
    password: str = ""
    first_href: str = ""
    next_href: str = ""
    _after: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self._after = self._argument("after")
        await self._open()
        self.loaded = True

    @allowed(Need.ADMIN)
    async def create(self, form: dict[str, str]) -> None:
        """A user with a password that must be changed."""
        who, name = await self._principal(), str(form.get("name", "")).strip()
        made = await self._do(self._gateway.users.create(who, name, str(form.get("role", ""))))
        if made is not None:
            self.adding = False
            self.shown_for, self.password = name, made.password

    @allowed(Need.ADMIN)
    async def set_role(self, name: str, role: str) -> None:
        """What a user may do."""
        who = await self._principal()
        change = self._gateway.users.change(who, str(name), role=str(role))
        await self._do(change, f"{name} is {role} now")

    @allowed(Need.ADMIN)
    async def enable(self, name: str) -> None:
        """Lets a user sign in again."""
        who = await self._principal()
        change = self._gateway.users.change(who, str(name), disabled=False)
        await self._do(change, f"{name} may sign in")

    @allowed(Need.ADMIN)
    def add(self) -> None:
        """Asks for a new user."""
        self.adding = True

    @allowed(Need.ADMIN)
    def ask(self, what: str, name: str) -> None:
        """Asks before something that cannot simply be undone."""
        if what in _ASKS:
            verb, self.warning = _ASKS[what]
            self.asking, self.asked_of = what, str(name)[:64]
            self.question = f"{verb} {self.asked_of}?"

    @allowed(Need.ADMIN)
    async def confirmed(self) -> None:
        """Does what was asked."""
        who, what, name = await self._principal(), self.asking, self.asked_of
        self.asking = ""
        users = self._gateway.users
        match what:
            case "delete":
                await self._do(users.delete(who, name), f"{name} is deleted")
            case "disable":
                await self._do(users.change(who, name, disabled=True), f"{name} is disabled")
            case "sessions":
                await self._do(users.end_sessions(who, name), f"{name} is signed out")
            case "reset":
                made = await self._do(users.change(who, name, reset_password=True))
                if made is not None:
                    self.shown_for, self.password = name, made.password

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog, and forgets the password."""
        self.adding = False
        self.asking = self.asked_of = self.shown_for = self.password = ""

    async def _show(self, who: Principal) -> None:
        if not who.may(Need.READER):
            return
        desk = self._gateway.users
        found = await desk.page(who, self._after, _PAGE + 1)
        page = found[:_PAGE]
        sessions = await desk.sessions(who, [one.name for one in page])
        more = len(found) > _PAGE
        self._put(
            rows=[_row(one, sessions.get(one.name, 0)) for one in page],
            next_href=routes.with_query(routes.PEOPLE, after=page[-1].name) if more else "",
            first_href=routes.PEOPLE if self._after else "",
        )


def _row(user: UserView, sessions: int) -> UserRow:
    status = "disabled" if user.disabled else "pending" if user.must_change else "active"
    return UserRow(user.name, user.role, status, sessions, user.updated_ms)


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
                    ("User", "Role", "Status", "Sessions", "Changed", ""),
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
    status = rx.cond(
        row.status == "pending", badge("must change password", "warn"), badge(row.status)
    )
    return line(
        cell(row.name, class_name="font-medium"),
        cell(rx.cond(PageState.can_admin, _role(row), row.role)),
        cell(status),
        cell(row.sessions),
        cell(time_text(row.updated_ms)),
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
        class_name="a-input",
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
