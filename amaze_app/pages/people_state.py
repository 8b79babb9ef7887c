"""What the page of users and keys shows of users, and what is done to a user."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.people import UserView
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import Paged, PageState

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
class PeopleState(Paged, PageState):
    """A page of users."""

    rows: rx.Field[list[UserRow]] = rx.field(default_factory=list)
    adding: bool = False
    asking: str = ""
    asked_of: str = ""
    question: str = ""
    warning: str = ""
    shown_for: str = ""
    password: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        await self._open_at(self._argument("after"))

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
        found = await desk.page(who, self._place, _PAGE + 1)
        page = found[:_PAGE]
        sessions = await desk.sessions(who, [one.name for one in page])
        self._put(rows=[_row(one, sessions.get(one.name, 0)) for one in page])
        self._turn(routes.PEOPLE, {}, "after", page[-1].name if len(found) > _PAGE else "")


def _row(user: UserView, sessions: int) -> UserRow:
    status = "disabled" if user.disabled else "pending" if user.must_change else "active"
    return UserRow(user.name, user.role, status, sessions, user.updated_ms)
