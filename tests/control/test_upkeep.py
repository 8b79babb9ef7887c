from __future__ import annotations

import pytest

from amaze_proxy.control.signing import Signer
from amaze_proxy.control.upkeep import (
    CHECKPOINT_EVERY_MS,
    CHECKPOINT_RECORDS,
    Retention,
    Upkeep,
)
from amaze_proxy.history.archive import StreamRecord
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal

DAY_MS = 86_400_000


async def fill(history, writer: str, *times: int, start: int = 1, before: str = GENESIS) -> str:
    records = []
    for seq, ts in enumerate(times, start):
        record = seal(
            AuditRecord(f"{writer}-{seq}", ts, "a", "llm", alert="x"), writer, seq, before
        )
        before = record.hash
        records.append(StreamRecord(f"{ts}-{seq}", record))
    await history.archive.append("a", records)
    return before


@pytest.fixture
def signer() -> Signer:
    return Signer(b"s" * 32)


async def checkpoints(history) -> int:
    return len(await history.checkpoints.page())


async def test_a_checkpoint_is_made_when_there_is_something_new(history, clock, signer) -> None:
    upkeep = Upkeep(history, signer, clock, Retention())
    await upkeep.step(0)
    assert await checkpoints(history) == 0, "nothing came"
    end = await fill(history, "w", 1, 2)
    await upkeep.step(2)
    assert await checkpoints(history) == 0, "the minute is not over"
    clock.now += CHECKPOINT_EVERY_MS
    await upkeep.step(0)
    assert await checkpoints(history) == 1
    await fill(history, "w", 3, start=3, before=end)
    await upkeep.step(CHECKPOINT_RECORDS)
    (_, second) = await history.checkpoints.page()
    assert '"w":[3,' in second.document
    assert await history.checkpoints.page(second.number) == []


async def test_retention_removes_what_is_old_alone(history, clock, signer) -> None:
    old, young = clock.now - 3 * DAY_MS, clock.now - DAY_MS
    await fill(history, "v", old)
    await fill(history, "w", old + 1, old + 2, young)
    await Upkeep(history, signer, clock, Retention()).step(0)
    assert len(await history.archive.newest("a", 9)) == 4, "0 days: for ever"
    upkeep = Upkeep(history, signer, clock, Retention(2))
    await upkeep.step(0)
    (kept,) = await history.archive.newest("a", 9)
    assert kept.record.ts == young
    (chain,) = [one for one in await history.ledger.chains() if one.writer == "w"]
    assert (chain.pruned[0], chain.last[0]) == (2, 3)
    clock.now += 2 * DAY_MS
    await upkeep.step(0)
    assert await history.archive.newest("a", 9) == []
