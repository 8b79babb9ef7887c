"""Signed checkpoints: what the archive had at a time, and what retention has removed from it.

The document of a checkpoint is canonical JSON: `ts` (milliseconds since the epoch), `prev` (the
hash of the checkpoint before, 64 zeros at the first), `heads` (writer -> number and hash of its
last record, for writers with new records) and `pruned` (the same of the last record that was
removed). Its hash is the SHA-256 of these bytes, and the signature (Ed25519) is over them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlmodel import Session, col, delete, func, select

from amaze_proxy.history.archive_tables import AlertRow, CallRow, ChainRow, CheckpointRow
from amaze_proxy.history.database import Database
from amaze_proxy.policy.chain import Head
from amaze_proxy.policy.record import GENESIS

_HEADS_MAX = 5_000  # in one checkpoint
_PRUNED_AT_ONCE = 2_000  # rows: the writer of the database has others waiting

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """As it is kept; `signature` and `public_key` in hex."""

    number: int
    ts: int
    document: str
    hash: str
    signature: str
    public_key: str


class CheckpointHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sign(self, now_ms: int, sign: Sign, public_key: str) -> int:
        """A checkpoint over what came since the last one; how many chains it covers (0: nothing
        came, and none was made)."""

        def work(session: Session) -> int:
            new = select(ChainRow).where(col(ChainRow.seq) > col(ChainRow.signed_seq))
            rows = list(session.exec(new.order_by(ChainRow.writer).limit(_HEADS_MAX)))
            if rows:
                heads = {row.writer: (row.seq, row.hash) for row in rows}
                _add(session, now_ms, heads, {}, sign, public_key)
                for row in rows:
                    row.signed_seq = row.seq
            return len(rows)

        return await self._database.write(work)

    async def prune(self, before_ms: int, now_ms: int, sign: Sign, public_key: str) -> int:
        """Remove some of the calls before that time, signed for; how many (0: all are gone)."""

        def work(session: Session) -> int:
            through = _old(session, before_ms)
            if not through:
                return 0
            _add(session, now_ms, {}, through, sign, public_key)
            return sum(_prune(session, writer, head) for writer, head in through.items())

        return await self._database.write(work)

    async def page(self, after: int = 0, limit: int = 100) -> list[Checkpoint]:
        """Checkpoints in their order, those after number `after`."""

        def work(session: Session) -> list[Checkpoint]:
            query = select(CheckpointRow).where(col(CheckpointRow.id) > after)
            found = session.exec(query.order_by(col(CheckpointRow.id)).limit(limit))
            return list(map(_checkpoint, found))

        return await self._database.read(work)

    async def newest(self, limit: int) -> list[Checkpoint]:
        """The last checkpoints, newest first."""

        def work(session: Session) -> list[Checkpoint]:
            query = select(CheckpointRow).order_by(col(CheckpointRow.id).desc()).limit(limit)
            return list(map(_checkpoint, session.exec(query)))

        return await self._database.read(work)


def _checkpoint(row: CheckpointRow) -> Checkpoint:
    return Checkpoint(row.id or 0, row.ts, row.document, row.hash, row.signature, row.public_key)


def _add(
    session: Session,
    now_ms: int,
    heads: dict[str, Head],
    pruned: dict[str, Head],
    sign: Sign,
    public_key: str,
) -> None:
    last = session.exec(select(CheckpointRow).order_by(col(CheckpointRow.id).desc())).first()
    prev = last.hash if last is not None else GENESIS
    body = {"ts": now_ms, "prev": prev, "heads": heads, "pruned": pruned}
    document = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    data = document.encode()
    session.add(
        CheckpointRow(
            ts=now_ms,
            document=document,
            hash=hashlib.sha256(data).hexdigest(),
            prev=prev,  # unique: of two that are made at once, one looks again
            signature=sign(data).hex(),
            public_key=public_key,
        )
    )
    session.flush()


def _old(session: Session, before_ms: int) -> dict[str, Head]:
    """For each writer the last of its oldest records that are all from before that time."""
    oldest = (
        select(CallRow.writer, CallRow.seq)
        .where(col(CallRow.ts) < before_ms)
        .order_by(col(CallRow.ts), col(CallRow.id))
        .limit(_PRUNED_AT_ONCE)
        .subquery()
    )
    last = select(oldest.c.writer, func.max(oldest.c.seq)).group_by(oldest.c.writer)
    through: dict[str, Head] = {}
    for writer, seq in session.execute(last):
        head = _last_before_young(session, writer, seq, before_ms)
        if head is not None:
            through[writer] = head
    return through


def _last_before_young(session: Session, writer: str, seq: int, before_ms: int) -> Head | None:
    """A writer's records are not in the order of their times: a long call is recorded late, a
    clock goes back. What is young stays, and with it what comes after it in the chain."""
    reached = (CallRow.writer == writer, col(CallRow.seq) <= seq)
    young = select(func.min(CallRow.seq)).where(*reached, CallRow.ts >= before_ms)
    first_young = session.exec(young).one()
    old = select(CallRow.seq, CallRow.hash).where(*reached)
    if first_young is not None:
        old = old.where(CallRow.seq < first_young)
    last = session.exec(old.order_by(col(CallRow.seq).desc()).limit(1)).first()
    return None if last is None else (last[0], last[1])


def _prune(session: Session, writer: str, head: Head) -> int:
    chain = session.get_one(ChainRow, writer)
    chain.pruned_seq, chain.pruned_hash = head
    old = (col(CallRow.writer) == writer, col(CallRow.seq) <= head[0])
    alerts = select(CallRow.id).where(*old)
    connection = session.connection()
    connection.execute(delete(AlertRow).where(col(AlertRow.call_id).in_(alerts)))
    return connection.execute(delete(CallRow).where(*old)).rowcount
