"""What is settled after its call was recorded as abandoned: the call has its one record, so this is
told in another one, in the place that its chain has for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amaze_proxy.policy.record import AuditRecord, seal_and_store, to_json
from amaze_proxy.store.admission import Settlement

SETTLED_LATE = "settled-late"
"""The alert of such a record; its `input` is the record that came too late."""


def late(batch: Sequence[Settlement]) -> list[Settlement]:
    """The batch of one chain, the first told so. The same of the same: a repetition makes no other
    chain."""
    first = batch[0]
    return sealed_anew([_told(first), *batch[1:]], first.record.prev_hash)


def sealed_anew(batch: Sequence[Settlement], prev_hash: str) -> list[Settlement]:
    """The settlements of one chain, with their numbers, behind the record of that hash."""
    found = []
    for one in batch:
        record, stored = seal_and_store(one.record, one.record.writer, one.record.seq, prev_hash)
        found.append(replace(one, record=record, stored=stored))
        prev_hash = record.hash
    return found


def _told(settlement: Settlement) -> Settlement:
    record = settlement.record
    told = AuditRecord(
        decision_id=f"late-{settlement.decision_id}",
        ts=record.ts,
        agent_id=record.agent_id,
        kind="admin",
        caller="proxy",
        target="audit",
        method="settle",
        alert=SETTLED_LATE,
        error=f"decision {settlement.decision_id} was settled after it was recorded as abandoned",
        input=to_json(record),
        writer=record.writer,
        seq=record.seq,
    )
    return Settlement(told.decision_id, settlement.agent_id, told, charged=False)
