from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from amaze_proxy.history.archive import StreamRecord, entry_order
from amaze_proxy.history.bundle import History
from amaze_proxy.history.tables import CallRow
from amaze_proxy.policy.record import GENESIS, AuditRecord, from_json, intact, seal


def chain(count: int, writer: str = "w:a", first: int = 1, **more: object) -> list[StreamRecord]:
    """The records `first` to `first + count - 1` of a writer's chain."""
    found: list[StreamRecord] = []
    before = GENESIS
    for seq in range(1, first + count):
        draft = AuditRecord(f"{writer}-{seq}", 1000 + seq, "a", "llm", **more)  # type: ignore[arg-type]
        record = seal(draft, writer, seq, before)
        before = record.hash
        found.append(StreamRecord(f"{seq}-0", record))
    return found[first - 1 :]


async def rows(history: History) -> list[CallRow]:
    def work(session: Session) -> list[CallRow]:
        return list(session.exec(select(CallRow).order_by(col(CallRow.id))))

    return await history.database.read(work)


async def test_records_and_cursor_are_archived_together(history: History) -> None:
    assert await history.archive.cursors() == {}
    assert await history.archive.append("a", chain(3, model="m", denied=True)) == 3
    assert await history.archive.cursors() == {"a": "3-0"}
    found = await rows(history)
    assert [(row.writer, row.seq, row.model, row.denied) for row in found] == [
        ("w:a", seq, "m", True) for seq in (1, 2, 3)
    ]


async def test_what_is_archived_is_the_record_itself(history: History) -> None:
    (one,) = chain(1, input='{"é": "\ud800"}')
    await history.archive.append("a", [one])
    (row,) = await rows(history)
    record = from_json(row.record)
    assert record == one.record
    assert intact(record, GENESIS)


async def test_a_repeated_page_adds_nothing(history: History) -> None:
    page = chain(3)
    await history.archive.append("a", page[:2])
    assert await history.archive.append("a", page) == 1
    assert await history.archive.append("a", page[:2]) == 0
    assert await history.archive.cursors() == {"a": "3-0"}
    assert len(await rows(history)) == 3


async def test_nothing_is_nothing(history: History) -> None:
    assert await history.archive.append("a", []) == 0
    assert await history.archive.cursors() == {}


@pytest.mark.parametrize(("earlier", "later"), [("9-0", "10-0"), ("5-2", "5-10")])
def test_entries_are_ordered_by_time_and_number(earlier: str, later: str) -> None:
    assert entry_order(earlier) < entry_order(later)
