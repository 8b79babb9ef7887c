"""The archive of calls: what was moved here from the streams, once each, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import ArchiveCursorRow, CallRow
from amaze_proxy.policy.record import AuditRecord, to_json

_SAME = (
    *("agent_id", "writer", "seq", "hash", "decision_id", "ts", "trace_id", "span_id"),
    *("parent_span_id", "turn_id", "session_id", "caller", "kind", "target", "provider", "tool"),
    *("model", "method", "status", "latency_ms", "ttft_ms", "tokens_in", "tokens_out"),
    *("tokens_cached", "cost_microusd", "estimated", "denied", "denial_reason", "alert"),
    *("would_deny", "error", "policy_version"),
)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record and the id of its entry in the stream (`ms-n`)."""

    entry_id: str
    record: AuditRecord


class ArchiveHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cursors(self) -> dict[str, str]:
        """For each agent the last entry that is here."""

        def work(session: Session) -> dict[str, str]:
            return {row.agent_id: row.entry_id for row in session.exec(select(ArchiveCursorRow))}

        return await self._database.read(work)

    async def append(self, agent_id: str, records: Sequence[StreamRecord]) -> int:
        """The next of one agent's stream, oldest first, and the cursor, in one transaction; how
        many were new. What is here already is left as it is."""

        def work(session: Session) -> int:
            return _append(session, agent_id, records)

        return await self._database.write(work) if records else 0


def _append(session: Session, agent_id: str, records: Sequence[StreamRecord]) -> int:
    known = _known(session, records)
    rows = [_row(one) for one in records if (one.record.writer, one.record.seq) not in known]
    session.add_all(rows)
    cursor = session.get(ArchiveCursorRow, agent_id)
    last = records[-1].entry_id
    if cursor is None:
        session.add(ArchiveCursorRow(agent_id=agent_id, entry_id=last))
    elif entry_order(cursor.entry_id) < entry_order(last):
        cursor.entry_id = last
    return len(rows)


def _known(session: Session, records: Sequence[StreamRecord]) -> set[tuple[str, int]]:
    """The places in chains that are taken already."""
    spans: dict[str, list[int]] = {}
    for one in records:
        spans.setdefault(one.record.writer, []).append(one.record.seq)
    found: set[tuple[str, int]] = set()
    for writer, numbers in spans.items():
        asked = (
            select(CallRow.seq)
            .where(CallRow.writer == writer)
            .where(col(CallRow.seq).between(min(numbers), max(numbers)))
        )
        found.update((writer, seq) for seq in session.exec(asked))
    return found


def _row(one: StreamRecord) -> CallRow:
    record = one.record
    values = {name: getattr(record, name) for name in _SAME}
    # A lone surrogate in a recorded body is no text to a database.
    text = to_json(record).encode("utf-8", "backslashreplace").decode()
    return CallRow(entry_id=one.entry_id, record=text, **values)


def entry_order(entry_id: str) -> tuple[int, int]:
    """What the ids of a stream's entries are ordered by."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)
