"""The tools of MCP servers: probed, pinned, accepted when they change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from amaze_proxy.control import entries
from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import EntryBarred, NothingToAccept, NotInForce, ProbeFailed
from amaze_proxy.control.probe import SECONDS, Found, Prober
from amaze_proxy.control.registry import McpServers
from amaze_proxy.history.bundle import History
from amaze_proxy.history.probes import Probe
from amaze_proxy.history.registry import EntryRecord
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus
from amaze_proxy.store.store import Store

_AT_APPROVAL_S = 3.0  # an operator waits for it; what is not pinned then can be probed later


@dataclass(frozen=True, slots=True)
class McpTools:
    """What is known of a server's tools. `seen`: fingerprints that were seen since others were
    accepted; None: the store does not answer."""

    record: EntryRecord
    probe: Probe | None
    seen: Mapping[str, str] | None


class ToolPins:
    """Of all MCP servers."""

    def __init__(
        self, servers: McpServers, history: History, store: Store, prober: Prober, clock: Clock
    ) -> None:
        self._servers = servers
        self._probes = history.probes
        self._store = store.registry
        self._prober = prober
        self._clock = clock

    async def look(self, name: str) -> McpTools:
        """Raises InvalidName, EntryNotFound, HistoryUnavailable."""
        record = await self._servers.get(name)
        probe = await self._probes.get(record.name)
        seen: Mapping[str, str] | None = None
        with suppress(StoreUnavailable):
            seen = await self._seen(record.name)
        return McpTools(record, probe, seen)

    async def probe(self, name: str, seconds: float = SECONDS) -> McpTools:
        """Ask the server. What is found first is pinned; what is found later and is something else
        counts as changed. Raises EntryBarred, ProbeFailed, NotInForce and as `look`."""
        record = await self._servers.get(name)
        if record.status == EntryStatus.REJECTED:
            raise EntryBarred(f"{name} was rejected: approve it before it is asked anything")
        found = await self._found(record, seconds)
        tools = found.fingerprints
        transition = partial(_pinned, url=record.url, tools=tools)
        await self._servers.move(name, transition, "pinning of the tools")
        try:
            await self._store.saw(record.name, tools, certain=True)
        except StoreUnavailable:
            raise NotInForce(
                f"{name} was probed, but the store does not answer, so no proxy knows of what has "
                "changed: probe it again when GET /health reports redis as ok"
            ) from None
        return await self.look(name)

    async def approve(self, name: str, url: str = "") -> EntryRecord:
        """Lets a server, or its waiting URL, be called; its tools are pinned if it answers, in a
        short time. Raises as `McpServers.approve`."""
        await self._servers.approve(name, url)
        with suppress(ProbeFailed, NotInForce):
            await self.probe(name, _AT_APPROVAL_S)
        return await self._servers.get(name)

    async def accept(self, name: str, tools: tuple[str, ...] | None, seen: bool) -> EntryRecord:
        """The tools of the last probe (`seen`: those that agents were shown) are as they should be;
        `tools` None: all of them, and no others. Raises NothingToAccept, ClaimChanged, NotInForce
        and as `look`."""
        record = await self._servers.get(name)
        url, known = await self._shown(record) if seen else await self._probed(record)
        if missing := sorted(set(tools or ()) - known.keys()):
            raise NothingToAccept(f"nobody has seen a tool {missing[0]!r} of {name}: probe it")
        chosen = known if tools is None else {tool: known[tool] for tool in tools}
        whole = tools is None and not seen
        transition = partial(_accepted, url=url, tools=chosen, whole=whole)
        return await self._servers.move(name, transition, "acceptance of the tools")

    async def _found(self, record: EntryRecord, seconds: float) -> Found:
        probe = partial(Probe, record.name, record.url)
        try:
            found = await self._prober.probe(record.url, seconds)
        except ProbeFailed as error:
            await self._probes.put(probe(self._clock(), str(error), ""))
            raise
        before = _as_accepted(record, await self._probes.get(record.name))
        told = {**found.told(), "accepted": before}
        await self._probes.put(probe(self._clock(), "", json.dumps(told)))
        return found

    async def _probed(self, record: EntryRecord) -> tuple[str, dict[str, str]]:
        last = await self._probes.get(record.name)
        if last is None or not last.found:
            raise NothingToAccept(
                f"{record.name} was never probed: run `amaze mcp probe {record.name}` and look at "
                "what it has"
            )
        return last.url, {one["name"]: one["sha256"] for one in json.loads(last.found)["tools"]}

    async def _shown(self, record: EntryRecord) -> tuple[str, dict[str, str]]:
        try:
            known = await self._seen(record.name)
        except StoreUnavailable:
            raise NotInForce(
                "the store does not answer: try again when GET /health reports redis as ok"
            ) from None
        if not known:
            raise NothingToAccept(
                f"no agent was shown a tool of {record.name} that is not accepted already"
            )
        return record.url, known

    async def _seen(self, name: str) -> dict[str, str]:
        server = await self._store.mcp(name)
        return dict(server.seen) if server else {}


def _as_accepted(record: EntryRecord, probe: Probe | None) -> dict[str, Any]:
    """The tools by name as they were when they were accepted, as far as a probe has seen them."""
    last = json.loads(probe.found) if probe is not None and probe.found else {}
    known = [*last.get("accepted", {}).values(), *last.get("tools", ())]
    pins = dict(record.pins)
    return {one["name"]: one for one in known if pins.get(one["name"]) == one["sha256"]}


def _pinned(record: EntryRecord, now: int, url: str, tools: Mapping[str, str]) -> EntryRecord:
    return entries.pinned(record, url, tools, now)


def _accepted(
    record: EntryRecord, now: int, url: str, tools: Mapping[str, str], whole: bool
) -> EntryRecord:
    return entries.accepted(record, url, tools, whole, now)
