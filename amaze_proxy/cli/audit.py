"""`amaze audit …`: the records of calls."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed, console, json_option, settings_of, usage_error
from amaze_proxy.cli.evidence import download, told, verified_export
from amaze_proxy.policy.ids import check_agent_id
from amaze_proxy.store.keys import UNKNOWN_AGENT

_WIDTHS = (("time", 8), ("agent", 14), ("target", 26), ("verdict", 7), ("reason", 19))
_NUMBERS = (("tokens", 6), ("cost $", 8), ("ms", 7))
_POLL_S = 0.5


@click.group()
def audit() -> None:
    """The audit log.

    \b
    amaze audit tail                     follow every agent's calls
    amaze audit tail research-agent -n 20 --no-follow
    amaze audit verify                   is all of it as it was written?
    amaze audit export --out evidence.zip --since 2026-01-01
    amaze audit verify --export evidence.zip --key public-key.pem
    """


@audit.command()
@click.argument("agent_id", required=False)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="records to begin with",
)
@click.option("--follow/--no-follow", default=True, help="go on with new records")
@json_option
def tail(agent_id: str | None, lines: int, follow: bool, as_json: bool) -> None:
    """Calls as they are decided; all agents unless one is named. Ctrl-C ends it.

    Callers that nobody knows are recorded under the name _unknown.
    """
    control = Control(settings_of())
    if agent_id not in (None, UNKNOWN_AGENT):
        _check_known(control, str(agent_id))
    if not as_json:
        console.print(heading(), soft_wrap=True)
    try:
        for record in _records(control, agent_id, lines, follow):
            if as_json:
                click.echo(json.dumps(record))
            else:
                console.print(line(record), soft_wrap=True)
    except KeyboardInterrupt:
        return


@audit.command()
@click.option("--agent", "agent_id", default="", help="this agent's records alone")
@click.option(
    "--export",
    "export_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="check this export instead of the platform",
)
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="the public key (GET /audit/key) that the export has to be signed with",
)
@json_option
def verify(agent_id: str, export_file: Path | None, key_file: Path | None, as_json: bool) -> None:
    """Finds what was changed, removed, inserted or reordered. Exit code 1: something was.

    An export is checked here, without the platform. Without --key its own key is used, which is
    printed: compare it with the platform's.
    """
    if export_file is not None:
        if agent_id:
            usage_error("--agent is for the platform: make the export of one agent")
        found = verified_export(export_file, key_file)
    elif key_file is not None:
        usage_error("--key is for an export")
    else:
        params = {"agent": agent_id} if agent_id else {}
        control = Control(settings_of())
        found = control.call("POST", "/audit/verify", params=params, timeout=None).json()
        if agent_id and found["whole"] and not _any_record(found["looked_at"]):
            _check_spelt(control, agent_id)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for text in told(found):
            click.echo(text)
    if not found["whole"]:
        raise SystemExit(1)


@audit.command("export")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="the ZIP to write"
)
@click.option("--agent", "agent_id", default="", help="this agent's records alone")
@click.option("--since", default="", help="from this time on (2026-01-31, 2026-01-31T12:00:00Z)")
@click.option("--until", default="", help="before this time")
@json_option
def export_(out: Path, agent_id: str, since: str, until: str, as_json: bool) -> None:
    """The evidence as a ZIP, with what is needed to check it elsewhere."""
    asked = {"agent": agent_id, "since": since, "until": until}
    size = download(Control(settings_of()), out, {k: v for k, v in asked.items() if v})
    if as_json:
        click.echo(json.dumps({"file": str(out), "bytes": size}))
    else:
        click.echo(f"{out}: {size:,} bytes")


def _any_record(looked_at: Mapping[str, int]) -> bool:
    return any(count for part, count in looked_at.items() if part != "checkpoints")


def _check_spelt(control: Control, agent_id: str) -> None:
    """Raises Failed where no record was found because nobody has this id."""
    if not agent_id.startswith("_"):  # our own logs, which may be empty
        _check_known(control, agent_id)


def _check_known(control: Control, agent_id: str) -> None:
    """Raises Failed for an id that is neither an agent nor in the log (deleted agents are)."""
    try:
        check_agent_id(agent_id)
    except ValueError as error:
        raise Failed(str(error)) from None
    if not control.json("GET", f"/agents/{agent_id}/audit", params={"limit": "1"}):
        control.call("GET", f"/agents/{agent_id}")


def _records(
    control: Control, agent_id: str | None, lines: int, follow: bool
) -> Iterator[Mapping[str, Any]]:
    seen: set[str] = set()
    first = True
    while True:
        for record in _latest(control, agent_id, lines if first else 200):
            if record["decision_id"] not in seen:
                seen.add(record["decision_id"])
                yield record
        if not follow:
            return
        first = False
        time.sleep(_POLL_S)


def _latest(control: Control, agent_id: str | None, limit: int) -> list[Mapping[str, Any]]:
    ids = [agent_id] if agent_id else _all_ids(control)
    found = [
        record
        for each in ids
        for record in control.json("GET", f"/agents/{each}/audit", params={"limit": str(limit)})
    ]
    return sorted(found, key=lambda record: int(record["ts"]))[-limit:]


def _all_ids(control: Control) -> list[str]:
    known = [agent["agent_id"] for agent in control.pages("/agents", "agents", "after")]
    return [*known, UNKNOWN_AGENT]


def heading() -> Text:
    """The columns of `line`."""
    words = [f"{name:<{width}}" for name, width in _WIDTHS]
    words += [f"{name:>{width}}" for name, width in _NUMBERS]
    return Text(" ".join(words), style="bold", no_wrap=True)


def line(record: Mapping[str, Any]) -> Text:
    """One record for the terminal: agent, target, verdict, reason, tokens, cost, latency."""
    verdict, style = _verdict(record)
    at = time.strftime("%H:%M:%S", time.localtime(record["ts"] / 1000))
    target = record["model"] or record["tool"] or record["target"]
    if record["model"]:
        target = f"{record['target'].split('.')[-2:][0]}/{record['model']}"
    # An error begins with its name (`abandoned: …`), which fits into the column.
    error = record["error"].partition(":")[0]
    reason = record["denial_reason"] or record["alert"] or error
    cells = (at, record["agent_id"], target, verdict, reason)
    words = [f"{cell[:width]:<{width}}" for cell, (_, width) in zip(cells, _WIDTHS, strict=True)]
    tokens = record["tokens_in"] + record["tokens_out"]
    cost = record["cost_microusd"] / 1e6
    numbers = (f"{tokens:,}", f"{cost:.6f}", f"{record['latency_ms']:.1f}")
    words += [f"{cell:>{width}}" for cell, (_, width) in zip(numbers, _NUMBERS, strict=True)]
    return Text(" ".join(words), style=style, no_wrap=True)


def _verdict(record: Mapping[str, Any]) -> tuple[str, str]:
    if record["denied"]:
        return "refused", "red"
    if record["would_deny"]:
        return "shadow", "yellow"
    if record["alert"]:
        return "allowed", "yellow"
    return ("error", "yellow") if record["error"] else ("allowed", "green")
