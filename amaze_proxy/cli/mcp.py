"""`amaze mcp …`: the MCP servers that agents may be allowed to call."""

from __future__ import annotations

from typing import Any

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import json_option, settings_of, show, show_one
from amaze_proxy.cli.names import name_argument

_COLUMNS = ("name", "status", "url", "owner", "created_ms")


@click.group()
def mcp() -> None:
    """MCP servers: register, approve, reject.

    Agents reach a server by its name (http://NAME/mcp) or by its URL; which of its tools an agent
    may call is for the agent's policy to say.

    \b
    amaze mcp register search-tools http://10.0.0.5:9000/mcp
    amaze mcp list --status pending
    amaze mcp approve search-tools
    """


@mcp.command("list")
@click.option("--status", help="pending, approved or rejected")
@json_option
def list_(status: str | None, as_json: bool) -> None:
    """All MCP servers."""
    params = {"status": status} if status else None
    found = Control(settings_of()).pages("/mcp_servers", "mcp_servers", "after", params)
    show(found, _COLUMNS, as_json)


@mcp.command("show")
@name_argument
@json_option
def show_(name: str, as_json: bool) -> None:
    """One MCP server, and the URL that waits for approval, if any."""
    show_one(Control(settings_of()).json("GET", f"/mcp_servers/{name}"), as_json)


@mcp.command()
@name_argument
@click.argument("url")
@click.option("--tool", "tools", multiple=True, help="a tool that it has; decides nothing")
@json_option
def register(name: str, url: str, tools: tuple[str, ...], as_json: bool) -> None:
    """Make a server known, or say that it has moved.

    As an administrator (AMAZE_ADMIN_KEY) or with AMAZE_ENROLL_KEY it is approved at once.
    """
    settings = settings_of()
    body: dict[str, Any] = {"name": name, "url": url}
    if tools:
        body["tools"] = list(tools)
    control = Control(settings)
    headers = {}
    if settings.enroll_key and not control.has_key:
        headers["x-amaze-enroll-key"] = settings.enroll_key
    params = {"kind": "mcp"}
    show_one(control.json("POST", "/register", json=body, params=params, headers=headers), as_json)


def _judge(verb: str, about: str) -> None:
    @mcp.command(verb, help=about)
    @name_argument
    @click.option("--url", help="the URL that you have looked at, if another one may be waiting")
    @json_option
    def judge(name: str, url: str | None, as_json: bool) -> None:
        body = {"url": url} if url else None
        path = f"/mcp_servers/{name}/{verb}"
        show_one(Control(settings_of()).json("POST", path, json=body), as_json)


_judge("approve", "Let a server, or the URL that waits beside it, be called.")
_judge("reject", "Refuse the URL that waits; else stop the server (with its own --url: always).")


@mcp.command()
@name_argument
@click.confirmation_option(prompt="Delete the MCP server? Its next call is denied.")
def delete(name: str) -> None:
    """Remove an MCP server."""
    Control(settings_of()).call("DELETE", f"/mcp_servers/{name}")
