"""`amaze policy …`: what an agent may do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

import click
import yaml

from amaze_proxy.cli.agents import agent_argument
from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed, json_option, settings_of, show, show_one

file_argument = click.argument("file", type=click.File("rb"))


def _text(file: BinaryIO) -> str:
    try:
        return file.read().decode()
    except UnicodeDecodeError:
        raise Failed(f"{file.name}: the policy is no YAML or JSON: it is not a text") from None


def _show_version(answer: Mapping[str, Any], as_json: bool) -> None:
    """A saved version; as text without its policy, which `amaze policy get` prints as YAML."""
    hidden = () if as_json else ("policy",)
    show_one({name: value for name, value in answer.items() if name not in hidden}, as_json)


@click.group()
def policy() -> None:
    """Policies and their versions.

    \b
    amaze policy put research-agent policy.yaml --comment "allow summarize"
    amaze policy get research-agent
    amaze policy rollback research-agent 3
    """


@policy.command()
@agent_argument
@json_option
def get(agent_id: str, as_json: bool) -> None:
    """The policy in force, as YAML."""
    document = Control(settings_of()).json("GET", f"/policy/{agent_id}")
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(yaml.safe_dump(document.get("policy", document), sort_keys=False), nl=False)


@policy.command()
@agent_argument
@file_argument
@click.option("--comment", default="", help="why; kept with the version")
@json_option
def put(agent_id: str, file: BinaryIO, comment: str, as_json: bool) -> None:
    """Put a policy in force. FILE is YAML or JSON, - is standard input."""
    control = Control(settings_of())
    if not control.has(f"/agents/{agent_id}"):
        click.echo(
            f"amaze: there is no agent {agent_id} yet: its policy will wait for it", err=True
        )
    answer = control.json(
        "PUT", f"/policy/{agent_id}", content=_text(file), params={"comment": comment}
    )
    _show_version(answer, as_json)


@policy.command()
@agent_argument
@file_argument
@json_option
def validate(agent_id: str, file: BinaryIO, as_json: bool) -> None:
    """Check a policy without saving it (exit code 1 if it is not valid)."""
    answer = Control(settings_of()).json(
        "POST", f"/policy/{agent_id}/validate", content=_text(file)
    )
    errors = answer.get("errors") or []
    if as_json or not errors:
        show_one({name: value for name, value in answer.items() if value or as_json}, as_json)
    for error in errors if not as_json else ():
        where = f"{error['field']}: " if error["field"] else ""
        click.echo(f"amaze: {where}{error['message']}", err=True)
    sys.exit(1 if errors else 0)


@policy.command()
@agent_argument
@json_option
def versions(agent_id: str, as_json: bool) -> None:
    """Every version, newest first."""
    found = Control(settings_of()).pages(f"/policy/{agent_id}/versions", "versions", "before")
    if not as_json:
        found = [{**one, "sha256": str(one.get("sha256", ""))[:12]} for one in found]
    show(found, ("version", "created_ms", "author", "sha256", "comment"), as_json)


@policy.command()
@agent_argument
@click.argument("version", type=int)
@json_option
def rollback(agent_id: str, version: int, as_json: bool) -> None:
    """A new version with the content of an old one."""
    answer = Control(settings_of()).json("POST", f"/policy/{agent_id}/rollback/{version}")
    _show_version(answer, as_json)
