"""`amaze mcp …`: the MCP servers that agents may be allowed to call."""

from __future__ import annotations

import json
from typing import Any

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed, json_option, settings_of, show, show_gone, show_one
from amaze_proxy.cli.names import name_argument

_COLUMNS = ("name", "status", "url", "owner", "created_ms")
_TOOL_COLUMNS = ("name", "state", "about", "sha256")


@click.group()
def mcp() -> None:
    """MCP servers: register, approve, reject; their tools: probe, accept.

    Agents reach a server by its name (http://NAME/mcp) or by its URL; which of its tools an agent
    may call is for the agent's policy to say.

    \b
    amaze mcp register search-tools http://10.0.0.5:9000/mcp
    amaze mcp list --status pending
    amaze mcp approve search-tools
    amaze mcp tools search-tools
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
    """One MCP server, and the URL that waits for approval, if any.

    \b
    amaze mcp show search-tools
    """
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
    @mcp.command(verb, help=f"{about}\n\n\b\namaze mcp {verb} search-tools")
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
@json_option
def probe(name: str, as_json: bool) -> None:
    """Ask an MCP server for its tools, now.

    What is found first is pinned. What is found later and is something else counts as changed
    (tool-changed), until `amaze mcp accept`.

    \b
    amaze mcp probe search-tools
    """
    _tools(Control(settings_of()).json("POST", f"/mcp_servers/{name}/probe"), as_json)


@mcp.command()
@name_argument
@json_option
def tools(name: str, as_json: bool) -> None:
    """The tools of an MCP server, as its last probe found them."""
    found = Control(settings_of()).json("GET", f"/mcp_servers/{name}")
    if found["probe"] is None:
        raise Failed(f"{name} was never probed: run `amaze mcp probe {name}`")
    _tools(found, as_json)


@mcp.command()
@name_argument
@click.argument("tools", nargs=-1)
@click.option("--seen", is_flag=True, help="as agents were last shown them, not as probed")
@json_option
def accept(name: str, tools: tuple[str, ...], seen: bool, as_json: bool) -> None:
    """Accept tools of an MCP server as the last probe found them; all of them if none is named.

    \b
    amaze mcp probe search-tools
    amaze mcp accept search-tools
    amaze mcp accept search-tools query fetch
    """
    body: dict[str, Any] = {"seen": seen}
    if tools:
        body["tools"] = list(tools)
    found = Control(settings_of()).json("POST", f"/mcp_servers/{name}/accept", json=body)
    _tools(found, as_json)


def _tools(found: dict[str, Any], as_json: bool) -> None:
    """The tools of the last probe, and what agents were shown otherwise."""
    probe = found["probe"] or {}
    listed = probe.get("tools", [])
    if as_json:
        click.echo(json.dumps({"probe": probe, "seen": found["seen"]}, indent=2))
        return
    if probe.get("error"):
        click.echo(f"the last probe failed: {probe['error']}", err=True)
    show([{**tool, "about": _short(tool["description"])} for tool in listed], _TOOL_COLUMNS, False)
    probed = {(tool["name"], tool["sha256"]) for tool in listed}
    for one in found["seen"] or ():
        if (one["name"], one["sha256"]) not in probed:
            click.echo(f"agents were shown {one['name']} as {one['sha256']}: probe again")


def _short(text: str | None) -> str:
    """The first line of a description, on one line of the terminal and without its controls."""
    line = (text or "").strip().partition("\n")[0]
    return "".join(char if char.isprintable() else " " for char in line)[:60]


@mcp.command()
@name_argument
@click.confirmation_option(prompt="Delete the MCP server? Its next call is denied.")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Remove an MCP server.

    \b
    amaze mcp delete search-tools --yes
    """
    Control(settings_of()).call("DELETE", f"/mcp_servers/{name}")
    show_gone(name, as_json)
