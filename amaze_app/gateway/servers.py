"""MCP servers and their tools."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import told
from amaze_proxy.control.api import views
from amaze_proxy.control.console import EntryRecord, EntryStatus, Probe
from amaze_proxy.control.errors import ClaimChanged
from amaze_proxy.control.mcp_tools import McpTools

__all__ = [
    "OTHERWISE",
    "STATUSES",
    "Definition",
    "EntryPage",
    "EntryRecord",
    "LastProbe",
    "McpDesk",
    "ServerView",
    "ToolView",
    "page_of",
]

STATUSES = tuple(map(str, EntryStatus))
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


class McpDesk(Desk):
    """All methods raise Refused and Outage."""

    async def page(
        self, who: Principal, status: str = "", after: str = "", limit: int = 50
    ) -> EntryPage:
        """At most `limit` MCP servers behind the name `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.mcp_servers.page(status, after, limit + 1)
        return page_of(found, limit)

    async def get(self, who: Principal, name: str) -> EntryRecord:
        """One server."""
        self._needs(who, Need.VIEWER)
        with told():
            return await self._services.mcp_servers.get(name)

    async def create(
        self, who: Principal, name: str, url: str, tools: tuple[str, ...] = (), owner: str = ""
    ) -> None:
        """An approved server."""
        servers = self._services.mcp_servers
        await self._change(who, "create", name, lambda: servers.create(name, url, tools, owner))

    async def approve(self, who: Principal, name: str, url: str = "") -> None:
        """Lets a server be called; `url` is the waiting one that was looked at."""
        pins = self._services.tool_pins
        await self._change(who, "approve", name, lambda: pins.approve(name, url))

    async def probes(
        self, who: Principal, servers: tuple[EntryRecord, ...]
    ) -> Mapping[str, LastProbe]:
        """The last probe of each of these servers that was probed."""
        self._needs(who, Need.VIEWER)
        with told():
            probes = await self._services.history.probes.several([one.name for one in servers])
        return {one.name: _last(one, probes[one.name]) for one in servers if one.name in probes}

    async def tools(
        self, who: Principal, servers: tuple[EntryRecord, ...]
    ) -> Mapping[str, frozenset[str]]:
        """The names of each one's tools: registered, accepted, or found by the last probe."""
        self._needs(who, Need.VIEWER)
        with told():
            probes = await self._services.history.probes.several([one.name for one in servers])
        return {
            one.name: frozenset(one.tools)
            | dict(one.pins).keys()
            | _fingerprints(probes.get(one.name)).keys()
            for one in servers
        }

    async def look(self, who: Principal, name: str) -> ServerView:
        """One server and its tools."""
        self._needs(who, Need.VIEWER)
        with told():
            return _server(await self._services.tool_pins.look(name))

    async def probe(self, who: Principal, name: str) -> None:
        """Asks the server what it has; what is found first is pinned."""
        await self._change(who, "probe", name, lambda: self._services.tool_pins.probe(name))

    async def accept(
        self, who: Principal, name: str, tools: Mapping[str, str], whole: bool, seen: bool = False
    ) -> None:
        """These tools are as they should be: name, and the fingerprint that was looked at; `whole`:
        and there are no others. `seen`: as agents were shown them, else as the probe found them."""
        pins = self._services.tool_pins

        async def accepted() -> None:
            look = await pins.look(name)
            known = dict(look.seen or {}) if seen else _fingerprints(look.probe)
            same = all(known.get(one) == sha256 for one, sha256 in tools.items())
            if not same or (whole and known.keys() != tools.keys()):
                raise ClaimChanged(f"the tools of {name} have changed meanwhile: look again")
            await pins.accept(name, None if whole else tuple(tools), seen)

        await self._change(who, "tools.accept", name, accepted)

    async def reject(self, who: Principal, name: str, url: str = "") -> None:
        """Refuses the URL that waits, or stops the server."""
        servers = self._services.mcp_servers
        await self._change(who, "reject", name, lambda: servers.reject(name, url))

    async def delete(self, who: Principal, name: str) -> None:
        """Its next call is refused."""
        servers = self._services.mcp_servers
        await self._change(who, "delete", name, lambda: servers.delete(name))

    async def _change(
        self, who: Principal, what: str, name: str, do: Callable[[], Awaitable[object]]
    ) -> None:
        async def look() -> object:
            return views.mcp_server(await self._services.mcp_servers.get(name))

        self._needs(who, Need.ADMIN)
        with told():
            await self._act(who, Deed(f"mcp_servers.{what}", f"mcp_servers/{name}", look), do)


def _server(found: McpTools) -> ServerView:
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


def _last(record: EntryRecord, probe: Probe) -> LastProbe:
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


def _fingerprints(probe: Probe | None) -> dict[str, str]:
    return {str(one["name"]): str(one["sha256"]) for one in _found(probe).get("tools", ())}


def page_of(found: tuple[EntryRecord, ...], limit: int) -> EntryPage:
    """`found` has one more than the page where there is another page."""
    following = found[limit - 1].name if len(found) > limit else ""
    return EntryPage(found[:limit], following)
