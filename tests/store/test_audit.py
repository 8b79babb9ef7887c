from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from amaze_proxy.policy.record import AuditRecord, from_json, seal, to_json
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.audit import NoRecord
from tests.patience import PATIENCE


@pytest.fixture
async def stream(store, script):
    """Ten records of one writer, and the ids of their entries."""
    for _ in range(10):
        await store.gate.settle(script.refusal())
    return [entry.entry_id for entry in await store.audit.read("alice")]


async def rewrite(store, change):
    """Put other records in the place of the stream's, as somebody with all rights could."""
    entries = await store.client.xrange("audit:{alice}")
    records = change([from_json(fields[b"r"]) for _, fields in entries])
    await store.client.delete("audit:{alice}")
    for record in records:
        await store.client.xadd("audit:{alice}", {"r": to_json(record)})


def changed(records):
    return [*records[:4], replace(records[4], denied=False), *records[5:]]


def removed(records):
    return [*records[:4], *records[5:]]


def reordered(records):
    return [*records[:4], records[5], records[4], *records[6:]]


def inserted(records):
    return [*records[:4], replace(records[4], decision_id="x"), *records[4:]]


def cut(records):
    return records[:-1]


@pytest.mark.parametrize("change", [changed, removed, reordered, inserted, cut])
async def test_every_tampering_is_found(store, stream, change):
    assert await store.audit.verify("alice") == []
    await rewrite(store, change)
    assert await store.audit.verify("alice") != []


async def test_a_last_record_sealed_anew_is_found(store, stream):
    def forge(records):
        last = records[-1]
        forged = seal(replace(last, denied=False), last.writer, last.seq, last.prev_hash)
        return [*records[:-1], forged]

    await rewrite(store, forge)
    assert [flaw.what for flaw in await store.audit.verify("alice")] == [
        "the last record was changed"
    ]


async def test_recent_is_newest_first(store, stream):
    assert [record.seq for record in await store.audit.recent("alice", 3)] == [10, 9, 8]


async def test_what_is_archived_is_trimmed_and_the_rest_still_verifies(store, stream):
    assert await store.audit.trim("alice", stream[5]) == 6
    assert [record.seq for record in await store.audit.recent("alice")] == [10, 9, 8, 7]
    assert await store.audit.verify("alice") == []


async def test_reading_goes_on_after_an_entry(store, stream):
    page = await store.audit.read("alice", after=stream[3], count=2)
    assert [entry.entry_id for entry in page] == stream[4:6]


WRONG_SEQ = to_json(AuditRecord("d", 1, "alice", "llm")).replace('"seq":0', '"seq":"0"')


@pytest.mark.parametrize(
    "fields", [{"r": "{}"}, {"r": b"\xff"}, {"x": "y"}, {"r": "[" * 10_000}, {"r": WRONG_SEQ}]
)
async def test_an_entry_that_is_no_record_is_told_and_hides_nothing(store, stream, fields):
    await store.client.xadd("audit:{alice}", fields)
    assert [record.seq for record in await store.audit.recent("alice", 3)] == [10, 9]
    (last,) = await store.audit.read("alice", stream[-1])
    assert isinstance(last, NoRecord)
    assert [(flaw.kind, flaw.entry_id) for flaw in await store.audit.verify("alice")] == [
        ("inserted", last.entry_id)
    ]


async def test_tail_follows_all_agents_and_those_who_come_later(store, script, stream):
    found = []
    async with aclosing(store.audit.tail({"alice": stream[7]})) as tail:
        found += [(await anext(tail)).record for _ in range(2)]
        await store.agents.create(Agent("bob"))
        stranger = await store.gate.settle(replace(script.refusal(), agent_id="_unknown"))
        bob = await store.gate.settle(replace(script.refusal(), agent_id="bob"))
        async with asyncio.timeout(PATIENCE):
            found += [(await anext(tail)).record for _ in range(2)]
    assert [record.seq for record in found] == [9, 10, 1, 1]
    assert {record.writer for record in found[2:]} == {stranger.writer, bob.writer}


async def test_tail_begins_at_the_end(store, script, stream, until):
    async def is_waiting():
        return (await store.client.info("clients"))["blocked_clients"] > 0

    async with aclosing(store.audit.tail()) as tail:
        waiting = asyncio.ensure_future(anext(tail))
        await until(is_waiting)
        sealed = await store.gate.settle(script.refusal())
        async with asyncio.timeout(PATIENCE):
            entry = await waiting
    assert entry.record.seq == sealed.seq == 11
