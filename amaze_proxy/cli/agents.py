"""`amaze agents …`: identities and their state."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed, json_option, settings_of, show, show_gone, show_one
from amaze_proxy.cli.credentials import save_credential
from amaze_proxy.policy.ids import check_agent_id
from amaze_proxy.policy.model import canonical_json, load_policy
from amaze_proxy.policy.problems import PolicyError

_COLUMNS = ("agent_id", "status", "owner", "created_ms")
# the endpoint of an agent is a host and a port: the path of a call is the caller's
_PLACE = re.compile(r"(?:http://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^][/:@?#]+):(?P<port>[0-9]{1,5})/?")


def _checked(_context: click.Context, _parameter: click.Parameter, agent_id: str) -> str:
    try:
        return check_agent_id(agent_id)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


agent_argument = click.argument("agent_id", callback=_checked)


def _place(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> dict[str, Any]:
    """Where an agent listens, as the control API takes it; empty when nothing was given."""
    if text is None:
        return {}
    match = _PLACE.fullmatch(text)
    if match is None:
        raise click.BadParameter("give HOST:PORT, or http://HOST:PORT")
    return {"a2a_host": match["host"].strip("[]"), "a2a_port": int(match["port"])}


@click.group()
def agents() -> None:
    """Agents: create, approve, quarantine, rotate.

    \b
    amaze agents create research-agent --policy policy.yaml
    amaze agents list --status pending
    amaze agents approve research-agent
    amaze agents endpoint research-agent 10.0.0.7:9100
    """


@agents.command("list")
@click.option("--status", help="pending, approved, quarantined or rejected")
@json_option
def list_(status: str | None, as_json: bool) -> None:
    """All agents."""
    params = {"status": status} if status else None
    found = Control(settings_of()).pages("/agents", "agents", "after", params)
    show(found, _COLUMNS, as_json)


@agents.command()
@agent_argument
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="what it may do: YAML or JSON",
)
@click.option("--owner", help="who answers for it")
@click.option(
    "--a2a",
    "place",
    metavar="URL",
    callback=_place,
    help="where it listens for A2A, if it does not use the SDK: http://HOST:PORT",
)
@json_option
@click.option("--save", is_flag=True, help="keep the credential here (0600), for `amaze run`")
def create(
    agent_id: str,
    policy: Path | None,
    owner: str | None,
    place: dict[str, Any],
    as_json: bool,
    save: bool,
) -> None:
    """A new, approved agent; prints its credential, once."""
    body: dict[str, Any] = {"agent_id": agent_id, **place}
    if policy is not None:
        body["policy"] = _document(policy)
    if owner:
        body["owner"] = owner
    settings = settings_of()
    answer = Control(settings).json("POST", "/agents", json=body)
    if save:
        save_credential(settings.data_dir, agent_id, answer["credential"])
    show_one(answer, as_json)


def _document(path: Path) -> Any:
    """The policy in `path`, checked here as strictly as `amaze policy put` has it checked."""
    try:
        return json.loads(canonical_json(load_policy(path.read_text("utf-8"))))
    except UnicodeDecodeError:
        raise Failed(f"{path}: the policy is no YAML or JSON: it is not a text") from None
    except PolicyError as error:
        raise Failed(f"{path}: {error}") from None


@agents.command("show")
@agent_argument
@json_option
def show_(agent_id: str, as_json: bool) -> None:
    """One agent.

    \b
    amaze agents show research-agent --json
    """
    show_one(Control(settings_of()).json("GET", f"/agents/{agent_id}"), as_json)


def _act(verb: str, about: str) -> None:
    @agents.command(verb, help=f"{about}\n\n\b\namaze agents {verb} research-agent")
    @agent_argument
    @json_option
    def act(agent_id: str, as_json: bool) -> None:
        show_one(Control(settings_of()).json("POST", f"/agents/{agent_id}/{verb}"), as_json)


_act("approve", "Let a pending agent, or its pending credential, work.")
_act("reject", "Refuse a pending agent.")
_act("quarantine", "Stop an agent at once: its next call and what it has running.")
_act("release", "Let a quarantined agent work again.")
_act("rotate", "A new credential; the old one works for a grace period.")


@agents.command()
@agent_argument
@click.argument("user")
@json_option
def owner(agent_id: str, user: str, as_json: bool) -> None:
    """Say whose agent it is: a user's name, or '' for nobody's.

    \b
    amaze agents owner research-agent ann
    """
    path = f"/agents/{agent_id}"
    show_one(Control(settings_of()).json("PATCH", path, json={"owner": user}), as_json)


@agents.command()
@agent_argument
@click.argument("place", metavar="HOST:PORT", callback=_place)
@json_option
def endpoint(agent_id: str, place: dict[str, Any], as_json: bool) -> None:
    """Say where an agent listens for A2A."""
    path = f"/agents/{agent_id}/endpoint"
    show_one(Control(settings_of()).json("PUT", path, json=place), as_json)


@agents.command()
@agent_argument
@click.confirmation_option(prompt="Delete the agent, its credentials and its policy in force?")
@json_option
def delete(agent_id: str, as_json: bool) -> None:
    """Remove an agent.

    \b
    amaze agents delete research-agent --yes
    """
    Control(settings_of()).call("DELETE", f"/agents/{agent_id}")
    show_gone(agent_id, as_json)
