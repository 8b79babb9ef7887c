from __future__ import annotations

from amaze_proxy.history.bundle import History
from amaze_proxy.history.spending import Spent
from tests.history.calls import Book

AT = 1_900_000_000_000
WINDOW = 600_000  # ten seconds in a bucket


async def test_what_was_spent_is_told_by_buckets(history: History) -> None:
    book = Book(history)
    used = {"tokens_in": 10, "tokens_out": 5, "cost_microusd": 7}
    for later in (-1, 0, 9_999, 10_000):
        book.call(ts=AT + later, **used)
    book.call("b", ts=AT, **used)
    await book.save()
    first = AT // 10_000
    assert await history.spending.since("a", AT, WINDOW, 60) == (
        Spent(first, 30, 14),
        Spent(first + 1, 15, 7),
    )
    assert await history.spending.since("nobody", AT, WINDOW, 60) == ()
