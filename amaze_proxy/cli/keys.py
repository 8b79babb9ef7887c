"""`amaze keys …`: API keys of people, for scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import json_option, settings_of, show, show_gone, show_one
from amaze_proxy.cli.users import ROLES

_COLUMNS = ("key_id", "prefix", "user", "label", "role", "scope", "expires_ms")


@click.group()
def keys() -> None:
    """API keys: list, create, revoke.

    \b
    amaze keys create --user ann --role operator --agent web-1 --days 30 --label ci
    amaze keys list
    amaze keys revoke 0a1b2c3d4e
    """


@keys.command("list")
@json_option
def list_(as_json: bool) -> None:
    """All keys, without their secrets."""
    found = Control(settings_of()).pages("/auth/api-keys", "api_keys", "after")
    show(found, _COLUMNS, as_json)


@keys.command()
@click.option("--user", help="whose key it is (default: your own)")
@click.option("--role", type=click.Choice(ROLES), required=True, help="what it may do")
@click.option("--agent", "scope", multiple=True, help="for this agent only; may be repeated")
@click.option("--days", type=click.IntRange(1, 3650), help="until it ends (default: revoked)")
@click.option("--label", default="", help="what it is for")
@json_option
def create(
    user: str | None,
    role: str,
    scope: tuple[str, ...],
    days: int | None,
    label: str,
    as_json: bool,
) -> None:
    """A new key, printed once."""
    body: dict[str, Any] = {"role": role, "scope": list(scope), "label": label}
    if user is not None:
        body["user"] = user
    if days is not None:
        body["lasts_days"] = days
    show_one(Control(settings_of()).json("POST", "/auth/api-keys", json=body), as_json)


@keys.command()
@click.argument("key_id")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """End a key at once.

    \b
    amaze keys revoke 0a1b2c3d4e
    """
    Control(settings_of()).call("DELETE", f"/auth/api-keys/{quote(key_id, safe='')}")
    show_gone(key_id, as_json)
