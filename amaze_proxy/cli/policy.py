"""`amaze policy …`: what an agent may do."""

from __future__ import annotations

import json
from typing import TextIO

import click
import yaml

from amaze_proxy.cli.agents import agent_argument
from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import json_option, settings_of, show, show_one

file_argument = click.argument("file", type=click.File("r"))


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
def put(agent_id: str, file: TextIO, comment: str, as_json: bool) -> None:
    """Put a policy in force (FILE is YAML or JSON; - is standard input)."""
    answer = Control(settings_of()).json(
        "PUT", f"/policy/{agent_id}", content=file.read(), params={"comment": comment}
    )
    show_one(answer, as_json)


@policy.command()
@agent_argument
@file_argument
@json_option
def validate(agent_id: str, file: TextIO, as_json: bool) -> None:
    """Check a policy without saving it."""
    answer = Control(settings_of()).json(
        "POST", f"/policy/{agent_id}/validate", content=file.read()
    )
    show_one(answer, as_json)


@policy.command()
@agent_argument
@json_option
def versions(agent_id: str, as_json: bool) -> None:
    """Every version, newest first."""
    found = Control(settings_of()).pages(f"/policy/{agent_id}/versions", "versions", "before")
    show(found, ("version", "created_ms", "author", "comment", "sha256"), as_json)


@policy.command()
@agent_argument
@click.argument("version", type=int)
@json_option
def rollback(agent_id: str, version: int, as_json: bool) -> None:
    """A new version with the content of an old one."""
    answer = Control(settings_of()).json("POST", f"/policy/{agent_id}/rollback/{version}")
    show_one(answer, as_json)
