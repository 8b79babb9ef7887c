"""`amaze login`, `logout`, `whoami`: as whom the commands of this machine act."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

import click

from amaze_proxy.cli.client import Control, Refused
from amaze_proxy.cli.common import Failed, json_option, settings_of, show_one
from amaze_proxy.cli.credentials import login_file, save_login, signed_in
from amaze_proxy.settings import Settings


@click.command()
@click.argument("name", default="admin")
@click.option("--key", is_flag=True, help="with an API key of yours instead of a password")
@json_option
def login(name: str, key: bool, as_json: bool) -> None:
    """Sign in; the session (or key) is kept in the data directory (0600).

    What is asked for is not shown, and may be piped in. A password that was made for you is changed
    at once: you are asked for a new one.

    \b
    amaze login ann
    amaze login --key < key.txt
    """
    settings = settings_of()
    if settings.admin_key:
        raise Failed("AMAZE_ADMIN_KEY is set and goes before a session: unset it to sign in")
    token = _asked("API key").strip() if key else _session(settings, name)
    shown = Control(settings, token).json("GET", "/auth/me")
    save_login(settings, token)
    show_one(shown, as_json)


@click.command()
@json_option
def logout(as_json: bool) -> None:
    """End the session, and forget it (or the API key) here.

    \b
    amaze logout
    """
    settings = settings_of()
    token = signed_in(settings)
    if token:
        with suppress(Refused):  # an API key has no session, and this one may have ended
            Control(settings, token).call("POST", "/auth/logout")
    login_file(settings.data_dir).unlink(missing_ok=True)
    said = "signed out" if token else "nobody was signed in here"
    click.echo(json.dumps({"signed_out": bool(token)}) if as_json else said)


@click.command()
@json_option
def whoami(as_json: bool) -> None:
    """Who the commands act as, with which role, by which credential.

    \b
    amaze whoami --json
    """
    show_one(Control(settings_of()).json("GET", "/auth/me"), as_json)


def _session(settings: Settings, name: str) -> str:
    password = _asked("password")
    opened = _opened(settings, name, password)
    if not opened["must_change_password"]:
        return str(opened["token"])
    new = _asked("new password (this one was made for you)")
    change = {"old": password, "new": new}
    Control(settings, opened["token"]).call("POST", "/auth/password", json=change)
    return str(_opened(settings, name, new)["token"])


def _opened(settings: Settings, name: str, password: str) -> Any:
    sent = {"name": name, "password": password}
    return Control(settings, "").json("POST", "/auth/login", json=sent)


def _asked(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\n")
