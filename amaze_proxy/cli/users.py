"""`amaze users …`: who may sign in, and what for."""

from __future__ import annotations

from urllib.parse import quote

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import json_option, settings_of, show, show_gone, show_one

ROLES = ("admin", "operator", "viewer")
_COLUMNS = ("name", "role", "disabled", "must_change_password", "created_ms")

_name = click.argument("name")


@click.group()
def users() -> None:
    """People: list, create, passwd, role, disable, enable, delete.

    An admin may do everything, an operator changes the agents that it owns, a viewer reads.

    \b
    amaze users create ann --role operator
    amaze users passwd ann
    amaze users disable ann
    """


@users.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All users.

    \b
    amaze users list --json
    """
    show(Control(settings_of()).pages("/auth/users", "users", "after"), _COLUMNS, as_json)


@users.command()
@_name
@click.option("--role", type=click.Choice(ROLES), required=True, help="what the user may do")
@json_option
def create(name: str, role: str, as_json: bool) -> None:
    """A new user; prints a password, once, that must be changed."""
    body = {"name": name, "role": role}
    show_one(Control(settings_of()).json("POST", "/auth/users", json=body), as_json)


@users.command()
@_name
@json_option
def passwd(name: str, as_json: bool) -> None:
    """A new password, printed once, that must be changed; ends the user's sessions."""
    _change(name, {"reset_password": True}, as_json)


@users.command()
@_name
@click.argument("role", type=click.Choice(ROLES))
@json_option
def role(name: str, role: str, as_json: bool) -> None:
    """Another role, from the user's next request on.

    \b
    amaze users role ann viewer
    """
    _change(name, {"role": role}, as_json)


@users.command()
@_name
@json_option
def disable(name: str, as_json: bool) -> None:
    """Lock a user out: sessions end, API keys rest."""
    _change(name, {"disabled": True}, as_json)


@users.command()
@_name
@json_option
def enable(name: str, as_json: bool) -> None:
    """Let a disabled user in again.

    \b
    amaze users enable ann
    """
    _change(name, {"disabled": False}, as_json)


@users.command()
@_name
@click.confirmation_option(prompt="Delete the user, their sessions and API keys?")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Remove a user.

    \b
    amaze users delete ann --yes
    """
    Control(settings_of()).call("DELETE", _path(name))
    show_gone(name, as_json)


def _change(name: str, wish: dict[str, object], as_json: bool) -> None:
    show_one(Control(settings_of()).json("PATCH", _path(name), json=wish), as_json)


def _path(name: str) -> str:
    return f"/auth/users/{quote(name, safe='')}"
