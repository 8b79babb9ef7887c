"""People who use the platform: signing in, their roles, and their accounts.

The first start makes the account `admin` with a password that is shown once. A password that was
made for somebody, the first one too, opens nothing but its own change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum

from amaze_proxy.control import passwords
from amaze_proxy.control.clock import Clock, now_ms
from amaze_proxy.control.errors import (
    LastAdmin,
    SignInRefused,
    TooManyAttempts,
    UserExists,
    UserInvalid,
    UserNotFound,
)
from amaze_proxy.control.keys import Secret, sha256
from amaze_proxy.control.lockout import Lockout, subscriber
from amaze_proxy.control.passwords import Passwords
from amaze_proxy.control.sessions import Sessions
from amaze_proxy.history.accounts import ADMIN, Account
from amaze_proxy.history.bundle import History

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
_BY_ACCOUNT = (5, 60_000)  # attempts without a wait; longest wait, so that nobody is shut out
_BY_ADDRESS = (20, 900_000)


class UserRole(StrEnum):
    """What a person may do."""

    ADMIN = "admin"  # everything
    OPERATOR = "operator"  # the agents whose owner is this person
    VIEWER = "viewer"  # reads everything, changes nothing


@dataclass(frozen=True, slots=True)
class Made:
    """An account, and the password that was made for it (None: none was); shown here once."""

    account: Account
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wish:
    """Changes of an account; None leaves as it is. `reset_password` makes a new one."""

    role: UserRole | None = None
    disabled: bool | None = None
    reset_password: bool = False


def check_user_name(name: str) -> str:
    """`name`, if it is one of a user. Raises ValueError with the rule."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "a user name has 1 to 63 characters of a-z, 0-9, '.', '_', '@' and '-', and begins "
            "with a letter or a digit"
        )
    return name


def _checked(name: str) -> str:
    try:
        return check_user_name(name)
    except ValueError as error:
        raise UserInvalid(str(error)) from None


class People:
    """Accounts; whoever calls has seen to it that the caller may."""

    def __init__(
        self, history: History, sessions: Sessions, clock: Clock, guard: Passwords
    ) -> None:
        self._history = history
        self._sessions = sessions
        self._clock = clock
        self._guard = guard
        self._by_account = Lockout(*_BY_ACCOUNT, clock)
        self._by_address = Lockout(*_BY_ADDRESS, clock)

    async def sign_in(self, name: str, password: str, address: str) -> tuple[Secret, Account]:
        """A new session's token. Unknown, disabled and wrong look the same, and take as long.

        Raises SignInRefused, TooManyAttempts, HistoryUnavailable.
        """
        account = await self._proven(name, password, address)
        token = await self._sessions.begin(account)
        if token is None:  # deleted, disabled or changed just now
            raise _refused()
        if passwords.stale(account.password):
            await self._hash_anew(account, password)
        return token, account

    async def change_password(self, name: str, old: str, new: str, address: str) -> None:
        """Ends all sessions of the account. Raises PasswordInvalid and as `sign_in`."""
        passwords.checked(new)
        await self._proven(name, old, address)
        encoded = await self._guard.hash(new)
        await self._replace(name, password=encoded, must_change=False)

    async def get(self, name: str) -> Account:
        """Raises UserInvalid, UserNotFound, HistoryUnavailable."""
        return _existing(await self._history.accounts.get(_checked(name)), name)

    async def page(self, after: str, limit: int) -> tuple[Account, ...]:
        """At most `limit` accounts by name, those after `after`."""
        return await self._history.accounts.page(after, limit)

    async def create(self, name: str, role: UserRole, password: str | None = None) -> Made:
        """An account; without a `password` one is made that must be changed.

        Raises UserInvalid, UserExists, PasswordInvalid, HistoryUnavailable.
        """
        made = passwords.generated() if password is None else None
        new = await self._new(_checked(name), role, made, password)

        def added(before: Account | None, _admins: int) -> Account:
            if before is not None:
                raise UserExists(f"there is a user {name} already")
            return new

        await self._history.accounts.change(name, added)
        return Made(new, made)

    async def ensure_first(self) -> Made | None:
        """The account `admin`, when there was none of anybody."""
        made = passwords.generated()
        if await self._history.accounts.page("", 1):
            return None
        first = await self._new(ADMIN, UserRole.ADMIN, made, None)
        return Made(first, made) if await self._history.accounts.add_first(first) else None

    async def change(self, name: str, wish: Wish) -> Made:
        """Role, lock or password of an account; a lock or a reset ends its sessions.

        Raises UserInvalid, UserNotFound, LastAdmin, HistoryUnavailable.
        """
        await self.get(name)  # before a hash is made for nobody
        made = passwords.generated() if wish.reset_password else None
        encoded = await self._guard.hash(made) if made else ""
        now = self._clock()

        def changed(before: Account | None, admins: int) -> Account:
            there = _existing(before, name)
            after = replace(
                there,
                role=there.role if wish.role is None else str(wish.role),
                disabled=there.disabled if wish.disabled is None else wish.disabled,
                password=encoded or there.password,
                must_change=there.must_change or made is not None,
                updated_ms=now,
            )
            _keeps_an_admin(there, after, admins)
            return after

        ends = bool(wish.disabled) or wish.reset_password
        account = await self._history.accounts.change(name, changed, ends_sessions=ends)
        return Made(_existing(account, name), made)

    async def sessions(self, names: Collection[str]) -> dict[str, int]:
        """How many sessions each of them has begun that may still last; none: not in it."""
        return await self._history.accounts.sessions(names, self._clock())

    async def end_sessions(self, name: str) -> None:
        """Signs the user out everywhere. Raises UserInvalid, UserNotFound, HistoryUnavailable."""

        def same(before: Account | None, _admins: int) -> Account:
            return _existing(before, name)

        await self._history.accounts.change(_checked(name), same, ends_sessions=True)

    async def delete(self, name: str) -> None:
        """The account, its sessions and keys. Raises as `change`."""

        def gone(before: Account | None, admins: int) -> None:
            _keeps_an_admin(_existing(before, name), None, admins)

        await self._history.accounts.change(_checked(name), gone)

    async def _proven(self, name: str, password: str, address: str) -> Account:
        source, claimed = subscriber(address), sha256(name)  # a name may be as long as it likes
        wait = max(self._by_account.wait_ms(claimed), self._by_address.wait_ms(source))
        if wait:
            seconds = math.ceil(wait / 1000)
            raise TooManyAttempts(f"too many attempts: try again in {seconds} s", seconds)
        self._by_account.begin(claimed)
        self._by_address.begin(source)
        account = await self._history.accounts.get(name) if _NAME.fullmatch(name) else None
        right = await self._guard.matches(account.password if account else None, password)
        if account is None or account.disabled or not right:
            raise _refused()
        self._by_account.forget(claimed)
        self._by_address.succeeded(source)
        return account

    async def _new(self, name: str, role: UserRole, made: str | None, given: str | None) -> Account:
        encoded = await self._guard.hash(made or given or "")
        now = self._clock()
        return Account(name, str(role), encoded, made is not None, False, now, now)

    async def _replace(self, name: str, *, password: str, must_change: bool) -> None:
        now = self._clock()

        def replaced(before: Account | None, _admins: int) -> Account:
            there = _existing(before, name)
            return replace(there, password=password, must_change=must_change, updated_ms=now)

        await self._history.accounts.change(name, replaced, ends_sessions=True)

    async def _hash_anew(self, account: Account, password: str) -> None:
        """The same password with the parameters of today; not over one that was changed since."""
        encoded = await self._guard.hash(password)

        def rehashed(before: Account | None, _admins: int) -> Account | None:
            same = before is not None and before.password == account.password
            return replace(before, password=encoded) if before and same else before

        await self._history.accounts.change(account.name, rehashed)


async def ensure_first_admin(history: History) -> str | None:
    """The password of the first admin, when it was made just now. Raises HistoryUnavailable."""
    people = People(history, Sessions(history, now_ms), now_ms, Passwords())
    made = await people.ensure_first()
    return None if made is None else made.password


def _existing(account: Account | None, name: str) -> Account:
    if account is None:
        raise UserNotFound(f"there is no user {name}")
    return account


def _keeps_an_admin(before: Account, after: Account | None, others: int) -> None:
    def administers(account: Account | None) -> bool:
        return account is not None and account.role == ADMIN and not account.disabled

    if administers(before) and not administers(after) and not others:
        raise LastAdmin(f"{before.name} is the last admin: make another one first")


def _refused() -> SignInRefused:
    return SignInRefused("name or password is wrong, or the account is disabled")
