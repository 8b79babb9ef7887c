"""The newest calls in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from amaze_app.feed import KEPT, Call, Feed
from amaze_app.gateway import Outage
from amaze_proxy.policy.record import AuditRecord


class Source:
    """Records that a test puts in; `down` is an outage."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []
        self.coming: asyncio.Queue[AuditRecord | None] = asyncio.Queue()
        self.down = False
        self.reads = 0

    def put(self, agent_id: str, **given: object) -> AuditRecord:
        number = len(self.records) + 1
        record = AuditRecord(f"d{number}", 1000 + number, agent_id, "llm", writer="w", seq=number)
        for name, value in given.items():
            setattr(record, name, value)
        self.records.append(record)
        self.coming.put_nowait(record)
        return record

    async def newest(self, agent_id: str, limit: int) -> tuple[AuditRecord, ...]:
        self.reads += 1
        if self.down:
            raise Outage("away")
        found = [one for one in self.records if agent_id in ("", one.agent_id)]
        return tuple(reversed(found))[:limit]

    async def follow(self, since_ms: int) -> AsyncIterator[AuditRecord]:
        while (record := await self.coming.get()) is not None:
            yield record
        raise Outage("gone")


@asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.005)


def ids(calls: list[Call]) -> list[str]:
    return [call.decision_id for call in calls]


async def test_calls_come_newest_first_each_once() -> None:
    source = Source()
    feed = Feed(source)
    source.put("a")
    source.put("b")  # read, and told by following too
    async with running(feed):
        assert ids(await feed.calls()) == ["d2", "d1"]
        source.put("a")

        async def three() -> bool:
            return ids(await feed.calls()) == ["d3", "d2", "d1"]

        await until(three)
        assert ids(await feed.calls("a")) == ["d3", "d1"]


async def test_looking_again_reads_the_store_no_more() -> None:
    source = Source()
    feed = Feed(source)
    async with running(feed):
        await until(lambda: _is(source.reads == 1))
        await feed.calls("a")
        reads = source.reads
        source.put("a")
        await until(lambda: _has(feed, 1))
        assert source.reads == reads


async def test_only_so_many_are_kept() -> None:
    source = Source()
    feed = Feed(source)
    await feed.calls("a")
    async with running(feed):
        await until(lambda: _is(source.reads == 2))
        await feed.calls("a")
        for _ in range(3 * KEPT):
            source.put("a")
        await until(lambda: _is(source.coming.empty()))
        calls = await feed.calls("a")
        assert len(calls) == KEPT
        assert calls[0].decision_id == f"d{3 * KEPT}"


async def test_an_outage_is_told_and_ends_by_itself() -> None:
    source = Source()
    feed = Feed(source)
    async with running(feed):
        await until(lambda: _is(source.reads == 1))
        source.down = True
        source.coming.put_nowait(None)
        await until(lambda: _is("Not live" in feed.trouble))
        source.down = False
        source.put("a")  # while nobody followed
        await until(lambda: _is(feed.trouble == ""))
        assert ids(await feed.calls("a")) == ["d1"]


async def test_what_nobody_thought_of_is_told_too() -> None:
    source = Source()
    feed = Feed(source)
    async with running(feed):
        await until(lambda: _is(source.reads == 1))
        source.coming.put_nowait(object())  # type: ignore[arg-type]
        await until(lambda: _is("see the log" in feed.trouble))
        await until(lambda: _is(feed.trouble == ""))


async def test_a_change_is_told_at_once_and_its_absence_in_time() -> None:
    source = Source()
    feed = Feed(source)
    before = feed.version
    await feed.changed(0.01)
    assert feed.version == before
    async with running(feed), asyncio.timeout(5):
        await feed.changed(60)
        assert feed.version > before


async def test_a_read_that_fails_is_tried_again() -> None:
    source = Source()
    feed = Feed(source)
    source.put("a")
    source.down = True
    try:
        await feed.calls("a")
    except Outage:
        source.down = False
    assert ids(await feed.calls("a")) == ["d1"]


async def test_the_agents_that_nobody_looks_at_are_forgotten() -> None:
    source = Source()
    feed = Feed(source)
    for number in range(40):
        await feed.calls(f"agent-{number}")
    reads = source.reads
    await feed.calls("agent-39")
    assert source.reads == reads
    await feed.calls("agent-0")
    assert source.reads == reads + 1


async def test_what_is_no_agent_is_no_agent() -> None:
    source = Source()
    source.put("_unknown", denied=True, denial_reason="invalid-bearer")
    (call,) = await Feed(source).calls()
    assert not call.identified
    assert (call.denied, call.reason) == (True, "invalid-bearer")


async def _is(value: bool) -> bool:
    return value


async def _has(feed: Feed, count: int) -> bool:
    return len(await feed.calls("a")) == count
