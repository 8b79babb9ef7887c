"""What the routes of people and keys take."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from amaze_proxy.control.api.bodies import Body
from amaze_proxy.control.api.schemas import AgentId, Label
from amaze_proxy.control.passwords import LONGEST
from amaze_proxy.control.people import UserRole, check_user_name

UserName = Annotated[str, AfterValidator(check_user_name)]
RoleName = Annotated[UserRole, Field(strict=False)]
# The rule for a new one is told by the domain; this bounds what is compared at all.
Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]


class LoginBody(Body):
    """Name and password; what is no name is refused like a wrong one."""

    name: Annotated[str, StringConstraints(max_length=200)]
    password: Password


class PasswordBody(Body):
    """A new password for the one who is signed in."""

    old: Password
    new: Password


class CreateUserBody(Body):
    """A new user; without a password one is made, shown once, and must be changed."""

    name: UserName
    role: RoleName
    password: Password | None = None


class ChangeUserBody(Body):
    """What should change; `reset_password` makes a new one that is shown once."""

    role: RoleName | None = None
    disabled: bool | None = None
    reset_password: bool = False


class CreateKeyBody(Body):
    """A new API key. `scope`: the agents that it is for (none: all that its owner may reach);
    `lasts_days`: until it ends (null: when it is revoked); `user`: whose it is (admins only)."""

    label: Label = ""
    role: RoleName
    scope: Annotated[tuple[AgentId, ...], Field(max_length=1000, strict=False)] = ()
    lasts_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    user: UserName | None = None
