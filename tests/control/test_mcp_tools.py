"""Probing, pinning, accepting: over the API, with a prober that is told what it finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amaze_proxy.control.clock import now_ms
from amaze_proxy.control.entries import accepted, pinned
from amaze_proxy.control.errors import ClaimChanged, NothingToAccept, ProbeFailed
from amaze_proxy.control.mcp_tools import ToolPins
from amaze_proxy.control.probe import Found, FoundTool
from amaze_proxy.control.registry import McpServers
from amaze_proxy.control.registry_publisher import RegistryPublisher
from amaze_proxy.history.registry import EntryKind, EntryRecord

RECORD = EntryRecord(EntryKind.MCP, "s", "http://s/", "approved", 1, 1)


def found(**tools: str) -> Found:
    listed = tuple(
        FoundTool(name, sha256, None, None, {}, None, None) for name, sha256 in tools.items()
    )
    return Found(None, "2025-06-18", "http", {}, listed, 0, 0)


class Told:
    """A prober that finds what it is told."""

    def __init__(self) -> None:
        self.next: Found | ProbeFailed = ProbeFailed("down")

    async def probe(self, _url: str, _seconds: float = 0) -> Found:
        if isinstance(self.next, ProbeFailed):
            raise self.next
        return self.next


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def pins(store: Any, history: Any, told: Told) -> ToolPins:
    servers = McpServers(None, history, RegistryPublisher(history, store), now_ms)  # type: ignore
    await servers.create("s", "http://s/")
    return ToolPins(servers, history, store, told, now_ms)  # type: ignore[arg-type]


async def test_what_is_found_first_is_pinned_and_what_follows_is_a_change(
    pins: ToolPins, told: Told, store: Any
) -> None:
    with pytest.raises(ProbeFailed):
        await pins.probe("s")
    assert (await pins.look("s")).probe.error == "down"
    assert (await store.registry.mcp("s")).pins is None
    told.next = found(a="1", b="2")
    assert dict((await pins.probe("s")).record.pins) == {"a": "1", "b": "2"}
    assert (await store.registry.mcp("s")).pins == {"a": "1", "b": "2"}
    told.next = found(a="9", c="3")
    looked = await pins.probe("s")
    assert dict(looked.record.pins) == {"a": "1", "b": "2"}
    assert looked.seen == {"a": "9", "c": "3"}
    assert [(await store.peers.mcp("s", tool)).changed(tool) for tool in "abc"] == [
        True,
        False,
        True,
    ]
    assert dict((await pins.accept("s", ("a",), seen=False)).pins) == {"a": "9", "b": "2"}
    assert dict((await pins.accept("s", None, seen=False)).pins) == {"a": "9", "c": "3"}
    assert (await pins.look("s")).seen == {}


async def test_what_was_not_looked_at_is_not_accepted(
    pins: ToolPins, told: Told, store: Any
) -> None:
    for seen in (False, True):
        with pytest.raises(NothingToAccept):
            await pins.accept("s", None, seen=seen)
    told.next = found(a="1")
    await pins.probe("s")
    with pytest.raises(NothingToAccept):
        await pins.accept("s", ("b",), seen=False)
    await store.registry.saw("s", {"a": "8"})  # after the operator has looked
    await pins.accept("s", None, seen=False)
    assert (await store.peers.mcp("s", "a")).changed("a")
    await pins.accept("s", None, seen=True)
    assert not (await store.peers.mcp("s", "a")).changed("a")


async def test_a_probe_that_fails_keeps_what_was_found(pins: ToolPins, told: Told) -> None:
    told.next = found(a="1")
    await pins.probe("s")
    told.next = ProbeFailed("down")
    assert (await pins.approve("s")).pins == (("a", "1"),)
    probe = (await pins.look("s")).probe
    assert probe.error == "down"
    assert [tool["name"] for tool in json.loads(probe.found)["tools"]] == ["a"]


def test_tools_of_a_place_that_was_left_are_not_taken() -> None:
    assert pinned(RECORD, "http://other/", {"a": "1"}, 2) is RECORD
    with pytest.raises(ClaimChanged):
        accepted(RECORD, "http://other/", {"a": "1"}, True, 2)
    once = pinned(RECORD, "http://s/", {}, 2)
    assert (once.pins, once.pinned_ms) == ((), 2)
    assert pinned(once, "http://s/", {"a": "1"}, 3) is once


async def test_a_changed_tool_keeps_how_it_was_accepted(pins: ToolPins, told: Told) -> None:
    async def known() -> dict[str, str]:
        last = json.loads((await pins.look("s")).probe.found)
        return {name: one["sha256"] for name, one in last["accepted"].items()}

    for a, b in (("1", "1"), ("2", "1"), ("3", "1")):
        told.next = found(a=a, b=b)
        await pins.probe("s")
    assert await known() == {"a": "1", "b": "1"}
    await pins.accept("s", ("a",), seen=False)
    await pins.probe("s")
    assert await known() == {"a": "3", "b": "1"}
