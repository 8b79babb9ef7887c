"""`amaze policy …`: what an agent may do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import click
import yaml

from amaze_proxy.cli.agents import agent_argument
from amaze_proxy.cli.client import Control, NotFound
from amaze_proxy.cli.common import Failed, json_option, settings_of, show, show_one
from amaze_proxy.policy.ids import check_agent_id

file_argument = click.argument("file", type=click.File("rb"))


def _text(file: BinaryIO) -> str:
    try:
        return file.read().decode()
    except UnicodeDecodeError:
        raise Failed(f"{file.name}: the policy is no YAML or JSON: it is not a text") from None


def _agent_ids(
    _context: click.Context, _parameter: click.Parameter, texts: Sequence[str]
) -> Sequence[str]:
    try:
        return [check_agent_id(text) for text in texts]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


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
    amaze policy validate research-agent policy.yaml
    amaze policy simulate research-agent policy.yaml --hours 48
    amaze policy diff research-agent --from 3
    amaze policy rollback research-agent 3
    amaze policy export > config/policies.yaml
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
    errors, warnings = answer.get("errors") or [], answer.get("warnings") or []
    if as_json or not errors:
        told = {name: value for name, value in answer.items() if value or as_json}
        show_one(told if as_json else {**told, "warnings": len(warnings)}, as_json)
    if not as_json:
        _complain(file, errors, "")
        _complain(file, warnings, "warning: ")
    sys.exit(1 if errors else 0)


def _complain(file: BinaryIO, faults: Sequence[Mapping[str, Any]], severity: str) -> None:
    """A line for each, as compilers write them."""
    for fault in faults:
        place = f"{file.name}:{fault['line']}: " if fault.get("line") else ""
        where = f"{fault['field']}: " if fault["field"] else ""
        click.echo(f"amaze: {place}{severity}{where}{fault['message']}", err=True)


@policy.command()
@agent_argument
@click.option("--from", "before", type=int, help="version; by default the one before --to")
@click.option("--to", "after", type=int, help="version; by default the active one")
@json_option
def diff(agent_id: str, before: int | None, after: int | None, as_json: bool) -> None:
    """What changed between two versions, field by field."""
    asked = {"from": before, "to": after}
    params = {name: str(number) for name, number in asked.items() if number is not None}
    answer = Control(settings_of()).json("GET", f"/policy/{agent_id}/diff", params=params)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
    else:
        show(answer["changes"], ("path", "kind", "old", "new"), as_json=False)


@policy.command()
@agent_argument
@file_argument
@click.option(
    "--hours",
    type=click.IntRange(1, 744),
    default=24,
    show_default=True,
    help="how far back the calls lie",
)
@json_option
def simulate(agent_id: str, file: BinaryIO, hours: int, as_json: bool) -> None:
    """What a draft would have done to the calls of the last hours. Nothing is saved."""
    path, params = f"/policy/{agent_id}/simulate", {"hours": str(hours)}
    answer = Control(settings_of()).json("POST", path, content=_text(file), params=params)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    for name in ("calls", "unchanged"):
        click.echo(f"{name:<12} {answer[name]}")
    for name in ("now_denied", "now_allowed"):
        one = answer[name]
        usd = one["cost_microusd"] / 1_000_000
        label = name.replace("_", " ")
        click.echo(f"{label:<12} {one['calls']}  ({one['tokens']} tokens, ${usd:.6f})")
    for one in answer["undecidable"]:
        click.echo(f"{'undecidable':<12} {one['calls']}  {one['why']}")
    if answer["cut"]:
        click.echo("(the newest calls of that time: there are more than are judged)")
    if answer["flips"]:
        columns = ("ts_ms", "kind", "target", "tool", "model", "was", "becomes", "decision_id")
        show([_flip(one) for one in answer["flips"]], columns, as_json=False)


def _flip(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """A flip as a row: an empty reason is an allowed call."""
    said = {name: one[name] or "allowed" for name in ("was", "becomes")}
    return {**one, **said, "ts_ms": one["ts"]}


@policy.command()
@click.argument("agent_ids", metavar="[AGENT]...", nargs=-1, callback=_agent_ids)
@json_option
def export(agent_ids: Sequence[str], as_json: bool) -> None:
    """Active policies as one document {agent: policy}, which AMAZE_CONFIG_DIR takes as
    policies.yaml. Without AGENT: those of all agents."""
    control = Control(settings_of())
    listed = control.pages("/agents", "agents", "after") if not agent_ids else []
    found: dict[str, Any] = {}
    for agent_id in agent_ids or [one["agent_id"] for one in listed]:
        try:
            found[agent_id] = control.json("GET", f"/policy/{agent_id}")["policy"]
        except NotFound:
            if agent_ids:
                raise
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(yaml.safe_dump(found, sort_keys=False), nl=False)


@policy.command()
@agent_argument
@json_option
def versions(agent_id: str, as_json: bool) -> None:
    """Every version, newest first.

    \b
    amaze policy versions research-agent
    """
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
