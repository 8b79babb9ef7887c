"""`amaze traces …` and `amaze stats`: what happened, from the archive."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click

from amaze_proxy.cli.client import Control
from amaze_proxy.cli.common import Failed, json_option, settings_of, show
from amaze_proxy.policy.ids import check_agent_id

_LIST = ("started", "trace_id", "status", "agents", "calls", "denied", "tokens", "cost_usd", "ms")
_STEPS = ("step", "from", "to", "what", "verdict", "reason", "status", "ms", "tokens", "policy")
_BUCKETS = ("from", "calls", "denied", "tokens", "cost_usd", "p50_ms", "p95_ms")
_NAMES = ("per", "name", "calls", "denied", "tokens", "cost_usd")
_PAGE = 200
_PER = ("tool", "model", "peer", "reason")


@click.group()
def traces() -> None:
    """Traces: every call of one conversation, over all agents.

    \b
    amaze traces list --agent research-agent --status denied
    amaze traces list --text "invoice 4711" --json
    amaze traces show 4bf92f3577b34da6a3ce929d0e0e4736
    """


@traces.command("list")
@click.option("--agent", help="with calls of this agent")
@click.option("--status", help="allowed, denied, shadow, error, or an HTTP status")
@click.option("--reason", help="with this alert or denial")
@click.option("--tool", help="with this tool (server/tool)")
@click.option("--model", help="with this model")
@click.option("--kind", help="with calls of this kind: llm, mcp, a2a, http")
@click.option("--text", help="with this in an input or output")
@click.option("--since", type=click.IntRange(0), help="milliseconds since the epoch")
@click.option("--until", type=click.IntRange(0), help="milliseconds since the epoch")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="at most so many",
)
@json_option
def list_(limit: int, as_json: bool, **filters: str | int | None) -> None:
    """Traces, newest first."""
    params = {name: str(value) for name, value in filters.items() if value is not None}
    found = _newest(Control(settings_of()), params, limit)
    show(found if as_json else [_trace(one) for one in found], _LIST, as_json)


@traces.command("show")
@click.argument("trace_id")
@json_option
def show_(trace_id: str, as_json: bool) -> None:
    """One trace, step by step."""
    if not trace_id.isalnum() or not trace_id.isascii():
        raise Failed(f"{trace_id[:80]!r} is no trace id: see `amaze traces list`")
    found = Control(settings_of()).json("GET", f"/traces/{trace_id}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    show([_step(one) for one in found["steps"]], _STEPS, False)
    if not found["summary"]["whole"]:
        click.echo(f"… the first {len(found['steps'])} steps", err=True)


@click.command()
@click.argument("agent_id", required=False)
@click.option(
    "--window",
    type=click.Choice(("1h", "24h", "7d")),
    default="24h",
    show_default=True,
    help="of what time until now",
)
@json_option
def stats(agent_id: str | None, window: str, as_json: bool) -> None:
    """Calls, tokens, cost, latency and denials of an agent, or of all.

    \b
    amaze stats
    amaze stats research-agent --window 7d --json
    """
    path = "/stats"
    if agent_id is not None:
        try:
            path = f"/agents/{check_agent_id(agent_id)}/stats"
        except ValueError as error:
            raise Failed(str(error)) from None
    found = Control(settings_of()).json("GET", path, params={"window": window})
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    busy = [_bucket(_time(one["ts"]), one) for one in found["buckets"] if one["calls"]]
    show([*busy, _bucket("total", found["total"])], _BUCKETS, False)
    names = [{"per": per, **_sums(one)} for per in _PER for one in found[f"by_{per}"]]
    if names:
        click.echo()
        show(names, _NAMES, False)


def _newest(control: Control, params: dict[str, str], limit: int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    asked = dict(params)
    while True:
        asked["limit"] = str(min(_PAGE, limit - len(found)))
        page = control.json("GET", "/traces", params=asked)
        found += page["traces"]
        if page["next"] is None or len(found) >= limit:
            return found
        asked["cursor"] = page["next"]


def _trace(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "started": _time(one["started_ms"]),
        **{name: one[name] for name in ("trace_id", "status", "calls", "denied")},
        "agents": ",".join(one["agents"]),
        **_sums(one),
        "ms": one["ended_ms"] - one["started_ms"],
    }


def _step(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "step": "  " * one["depth"] + str(one["number"]),
        **{name: one[name] for name in ("from", "to", "verdict", "status")},
        "what": one["label"],
        "reason": one["denial_reason"] or one["would_deny"] or one["alert"] or one["error"],
        "ms": f"{one['latency_ms']:.1f}",
        "tokens": one["tokens_in"] + one["tokens_out"],
        "policy": one["policy_version"],
    }


def _bucket(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    latencies = {"p50_ms": one["latency_p50_ms"], "p95_ms": one["latency_p95_ms"]}
    shown = {name: "" if value is None else f"{value:.1f}" for name, value in latencies.items()}
    return {"from": name, **_sums(one), **shown}


def _sums(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": one.get("name", ""),
        "calls": one["calls"],
        "denied": one["denied"],
        "tokens": one["tokens_in"] + one["tokens_out"],
        "cost_usd": f"{one['cost_microusd'] / 1e6:.6f}",
    }


def _time(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(milliseconds / 1000))
