"""Sessions and users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal, Role
from amaze_app.gateway.refusals import Refused, told
from amaze_proxy.control.acts import Act, Outcome
from amaze_proxy.control.api import users
from amaze_proxy.control.console import Account
from amaze_proxy.control.errors import SignInRefused
from amaze_proxy.control.people import Made, Wish, check_user_name

ROLES = tuple(map(str, Role))


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as others see them; times in milliseconds since the epoch."""

    name: str
    role: str
    disabled: bool
    must_change: bool
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A user and the password that was made for them ("": none was), to be shown this once."""

    user: UserView
    password: str = field(repr=False)


class SessionDesk(Desk):
    """Signing in and out. All methods raise Refused, TooOften and Outage."""

    async def begin(self, name: str, password: str, address: str) -> str:
        """The token of a new session; recorded, as is a refusal."""
        with told():
            try:
                token, account = await self._services.people.sign_in(name, password, address)
            except SignInRefused:
                await self._note(_claimed(name), address, Outcome(401, error="sign-in-refused"))
                raise
            try:
                await self._note(account.name, address, Outcome(200))
            except BaseException:  # nobody is in whom the log does not know
                await self._services.sessions.end(token.sha256)
                raise
        return token.text

    async def find(self, token: str, address: str) -> Principal | None:
        """Whose session it is, while it lasts."""
        if not token:
            return None
        with told():
            found = await self._services.sessions.find(token)
        if found is None:
            return None
        account, sha256 = found.account, found.session.sha256
        return Principal(account.name, Role(account.role), address, sha256, account.must_change)

    async def end(self, who: Principal) -> None:
        """Signs out; every tab of the session is shut at its next event or push."""
        with told():
            await self._services.sessions.end(who.session_sha256)

    async def change_password(self, who: Principal, old: str, new: str) -> None:
        """Ends all sessions of the person, this one too."""
        with told():
            await self._act(
                who,
                Deed("auth.password", "password"),
                lambda: self._services.people.change_password(who.name, old, new, who.address),
            )

    async def _note(self, name: str, address: str, outcome: Outcome) -> None:
        act = Act(name, "password, web UI", address, "auth.login", "session", "UI", "")
        await self._services.acts.note(act, outcome)


class UserDesk(Desk):
    """All methods raise Refused and Outage."""

    async def page(self, who: Principal, after: str = "", limit: int = 100) -> tuple[UserView, ...]:
        """At most `limit` users by name, those after `after`."""
        self._needs(who, Need.READER)
        with told():
            return tuple(map(_user, await self._services.people.page(after, limit)))

    async def create(self, who: Principal, name: str, role: str) -> NewPassword:
        """A user, with a password that must be changed."""
        wanted = role_of(role)
        people = self._services.people
        return await self._make(who, "create", name, lambda: people.create(name, wanted))

    async def change(
        self,
        who: Principal,
        name: str,
        role: str | None = None,
        disabled: bool | None = None,
        reset_password: bool = False,
    ) -> NewPassword:
        """Role, lock or password of a user; None leaves as it is."""
        wish = Wish(None if role is None else role_of(role), disabled, reset_password)
        people = self._services.people
        return await self._make(who, "change", name, lambda: people.change(name, wish))

    async def sessions(self, who: Principal, names: Collection[str]) -> Mapping[str, int]:
        """How many sessions each of them has that may still last; none: not in it."""
        self._needs(who, Need.READER)
        with told():
            return await self._services.people.sessions(names)

    async def end_sessions(self, who: Principal, name: str) -> None:
        """Signs a user out everywhere."""
        self._needs(who, Need.ADMIN)
        people = self._services.people
        with told():
            await self._act(
                who, self._deed("end-sessions", name), lambda: people.end_sessions(name)
            )

    async def delete(self, who: Principal, name: str) -> None:
        """The user, their sessions and keys."""
        self._needs(who, Need.ADMIN)
        with told():
            await self._act(
                who, self._deed("delete", name), lambda: self._services.people.delete(name)
            )

    async def _make(
        self, who: Principal, what: str, name: str, do: Callable[[], Awaitable[Made]]
    ) -> NewPassword:
        self._needs(who, Need.ADMIN)
        with told():
            made = await self._act(who, self._deed(what, name), do)
        return NewPassword(_user(made.account), made.password or "")

    def _deed(self, what: str, name: str) -> Deed:
        async def look() -> object:
            return users.view(await self._services.people.get(name))

        return Deed(f"users.{what}", f"users/{name}", look)


def _claimed(name: str) -> str:
    """A name as it may be written down: people type their password there by mistake."""
    try:
        return check_user_name(name)
    except ValueError:
        return "?"


def role_of(text: str) -> Role:
    """Raises Refused."""
    try:
        return Role(text)
    except ValueError:
        raise Refused(f"the role must be one of {', '.join(ROLES)}") from None


def _user(account: Account) -> UserView:
    return UserView(
        name=account.name,
        role=account.role,
        disabled=account.disabled,
        must_change=account.must_change,
        created_ms=account.created_ms,
        updated_ms=account.updated_ms,
    )
