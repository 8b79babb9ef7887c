from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from sqlmodel import Session, col, select

from amaze_proxy.history.archive import StreamJunk, StreamRecord, entry_order
from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.bundle import History
from amaze_proxy.history.columns import read_record
from amaze_proxy.history.queries import EVERYTHING
from amaze_proxy.history.statistics import Period
from amaze_proxy.policy.record import GENESIS, AuditRecord, from_json, seal, to_json


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
    assert seal(record, record.writer, record.seq, GENESIS) == record


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


async def test_columns_hold_what_every_database_can(history: History) -> None:
    (one,) = chain(1, model="m" * 10_000, tool="a\0\ud800", tokens_in=2**80, policy_version=2**40)
    assert await history.archive.append("a", [one]) == 1
    (row,) = await rows(history)
    assert (row.model, row.tool) == ("m" * 500, "a\\u0000\\ud800")
    assert (row.tokens_in, row.policy_version) == (2**40, 2**31 - 1)
    assert from_json(row.record) == one.record
    (listed,) = await history.ledger.page(0)
    assert listed.link is not None
    assert (listed.link.sound, listed.altered) == (True, "")


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan, 1e308, -1.0])
async def test_whatever_is_forged_stops_no_stream(history: History, number: float) -> None:
    (one,) = chain(1)
    text = to_json(one.record).replace('"latency_ms":0.0', f'"latency_ms":{json.dumps(number)}')
    forged = replace(one, record=from_json(text), text=text)
    beside = [replace(each, entry_id=f"9-{n}") for n, each in enumerate(chain(3, "v:a"))]
    for each in beside:
        each.record.tokens_in = each.record.cost_microusd = 2**80
    assert await history.archive.append("a", [forged, *beside]) == 4
    assert len(await rows(history)) == 4
    period = Period(0, 7200, 3600)
    assert (await history.statistics.of(EVERYTHING, period)).total.numbers.calls == 4


async def test_what_cannot_be_a_row_is_kept_beside(history: History) -> None:
    first, second = chain(2)
    junk = StreamJunk("3-0", "junk\0\ud800")
    again = StreamRecord("4-0", second.record)
    assert await history.archive.append("a", [first, second, junk, again]) == 2
    found = await history.archive.untold()
    assert [(one.flaw.kind, one.flaw.entry_id) for one in found] == [
        ("inserted", "3-0"),
        ("inserted", "4-0"),
    ]
    assert [one.text for one in found] == ["junk\\u0000\\ud800", to_json(second.record)]
    await history.archive.told(found[0].number)
    assert [one.number for one in await history.archive.untold()] == [found[1].number]


async def test_a_chain_goes_on_over_pages_and_writers(history: History) -> None:
    mine, other = chain(4), chain(2, "v:a")
    moved = [replace(one, entry_id=f"{place}-1") for place, one in enumerate(mine[2:], 5)]
    await history.archive.append("a", mine[:2])
    await history.archive.append("a", moved)
    await history.archive.append(
        "a", [replace(one, entry_id=f"9-{one.entry_id[0]}") for one in other]
    )
    assert await history.archive.untold() == []
    heads = {one.writer: one.last[0] for one in await history.ledger.chains("a")}
    assert heads == {"w:a": 4, "v:a": 2}
    assert await history.ledger.chains("b") == []


async def test_what_another_version_wrote_is_read(history: History) -> None:
    body = {"decision_id": "d", "ts": 1, "agent_id": "a", "kind": "llm", "a_new_field": 1}
    assert read_record(json.dumps(body)).decision_id == "d"
