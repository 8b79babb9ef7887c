"""MCP servers as people see them, of what control has of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaze_proxy.control.api import views
from amaze_proxy.control.console import EntryRecord, Probe
from amaze_proxy.control.mcp_tools import McpTools

OTHERWISE = ("changed", "new")
"""States of a tool that nobody has accepted as it is."""


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Servers or hosts by name; `following` is where the next page begins ("": the last)."""

    entries: tuple[EntryRecord, ...]
    following: str


@dataclass(frozen=True, slots=True)
class Definition:
    """What a tool is; schemas are JSON ("": it has none), `sha256` is the fingerprint of all."""

    sha256: str
    description: str = ""
    input_schema: str = ""
    output_schema: str = ""


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool. `state`: not pinned, accepted, new, changed, gone (accepted and not there any more)
    or shown (agents were shown another one than the last probe). `before`: as it was accepted, as
    far as it is known (None: it is the same, or was never accepted)."""

    name: str
    state: str
    now: Definition
    before: Definition | None


@dataclass(frozen=True, slots=True)
class ServerView:
    """An MCP server as the last probe found it (`probed_ms` 0: there was none). `error`: why that
    failed; `says`: its own name and version, and how it was spoken to."""

    record: EntryRecord
    probed_ms: int
    error: str
    says: str
    tools: tuple[ToolView, ...]


@dataclass(frozen=True, slots=True)
class LastProbe:
    """When (ms), why it failed ("": it did not), how many tools the server has, and how many of
    them are not as they were accepted."""

    ms: int
    error: str
    tools: int
    otherwise: int


def server_view(found: McpTools) -> ServerView:
    """A server and its tools."""
    probe, pins, seen = found.probe, dict(found.record.pins), found.seen or {}
    last = _found(probe)
    tools = [_tool(found.record, one, last) for one in last.get("tools", ())]
    there = {one.name: one.now.sha256 for one in tools}
    gone = sorted(pins.keys() - there.keys()) if last else []
    shown = [one for one in sorted(seen) if seen[one] not in (pins.get(one), there.get(one))]
    tools += [ToolView(o, "gone", Definition(pins[o]), _accepted(last, o)) for o in gone]
    tools += [ToolView(o, "shown", Definition(seen[o]), _accepted(last, o)) for o in shown]
    return ServerView(
        record=found.record,
        probed_ms=probe.ts if probe is not None else 0,
        error=probe.error if probe is not None else "",
        says=_says(last),
        tools=tuple(tools),
    )


def last_probe(record: EntryRecord, probe: Probe) -> LastProbe:
    """What the table says of a probe."""
    tools, pins = _found(probe).get("tools", ()), dict(record.pins)
    states = [views.state(record, pins.get(one["name"]), one["sha256"]) for one in tools]
    return LastProbe(probe.ts, probe.error, len(states), sum(one in OTHERWISE for one in states))


def _tool(record: EntryRecord, one: Mapping[str, Any], last: Mapping[str, Any]) -> ToolView:
    name, pin = str(one["name"]), dict(record.pins).get(str(one["name"]))
    state = views.state(record, pin, one["sha256"])
    before = None
    if state == "changed" and pin is not None:
        before = _accepted(last, name) or Definition(pin)
    return ToolView(name, state, _definition(one), before)


def _accepted(last: Mapping[str, Any], name: str) -> Definition | None:
    known = last.get("accepted", {}).get(name)
    return None if known is None else _definition(known)


def _definition(one: Mapping[str, Any]) -> Definition:
    schemas = (one.get("input_schema"), one.get("output_schema"))
    texts = ("" if schema is None else json.dumps(schema, ensure_ascii=False) for schema in schemas)
    return Definition(str(one["sha256"]), str(one.get("description") or ""), *texts)


def _says(last: Mapping[str, Any]) -> str:
    if not last:
        return ""
    told = last.get("server") or {}
    own = " ".join(str(told[one])[:80] for one in ("name", "version") if told.get(one))
    return ", ".join(filter(None, (own, f"MCP {last['revision']}", str(last["transport"]))))


def _found(probe: Probe | None) -> dict[str, Any]:
    """What the last probe that did not fail found; {}: there was none."""
    found: dict[str, Any] = json.loads(probe.found) if probe is not None and probe.found else {}
    return found


def fingerprints(probe: Probe | None) -> dict[str, str]:
    """The SHA-256 of each tool that the last good probe found."""
    return {str(one["name"]): str(one["sha256"]) for one in _found(probe).get("tools", ())}


def page_of(found: tuple[EntryRecord, ...], limit: int) -> EntryPage:
    """`found` has one more than the page where there is another page."""
    following = found[limit - 1].name if len(found) > limit else ""
    return EntryPage(found[:limit], following)
