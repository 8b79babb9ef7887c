from __future__ import annotations

from amaze_proxy.history.bundle import History
from amaze_proxy.history.queries import EVERYTHING, Filter
from tests.history.calls import Book


def signature(_data: bytes) -> bytes:
    return b"s" * 64


async def prune(history: History, before_ms: int) -> int:
    return await history.checkpoints.prune(before_ms, 10_000, signature, "key")


async def times(history: History) -> list[int]:
    return sorted(one.record.ts for one in await history.archive.newest("a", 9))


async def test_a_call_that_leaves_takes_its_alerts_with_it(history: History) -> None:
    book = Book(history)
    book.call(ts=1000, alert="x,y")
    book.call(ts=5000, alert="x")
    await book.save()
    assert await prune(history, 2000) == 1
    assert await times(history) == [5000]
    rows = await history.database.read(
        lambda session: session.connection().exec_driver_sql("SELECT ts FROM alert").all()
    )
    assert [row[0] for row in rows] == [5000]
    page = await history.alerts.page(EVERYTHING, Filter(), None, 9)
    assert [one.ts for one in page.alerts] == [5000]


async def test_a_young_call_is_not_removed_with_an_old_one_that_came_after_it(
    history: History,
) -> None:
    book = Book(history)
    for ts in (1000, 5000, 1500):
        book.call(ts=ts)
    await book.save()
    assert await prune(history, 2000) == 1
    assert await times(history) == [1500, 5000]
    assert await prune(history, 2000) == 0
    assert len(await history.checkpoints.page()) == 1, "nothing was removed: nothing is signed"
    assert await prune(history, 6000) == 2
