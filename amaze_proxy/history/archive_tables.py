"""The tables of the archive. Times are milliseconds since the epoch, hashes SHA-256 in hex."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers INTEGER keys alone


class CallRow(SQLModel, table=True):
    """A record of the evidence, moved here from its stream. `id` is the order of archiving;
    `record` the whole record as it was stored, the other columns are what is asked by."""

    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("writer", "seq"),
        Index("ix_call_agent", "agent_id", "id"),
        Index("ix_call_agent_ts", "agent_id", "ts", "id"),
        Index("ix_call_trace_ts", "trace_id", "ts", "id"),
        Index("ix_call_ts", "ts", "id"),
        Index("ix_call_tool_ts", "tool", "ts", "id"),
        Index("ix_call_model_ts", "model", "ts", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_ROW_ID)
    agent_id: str = Field(max_length=63)
    entry_id: str = Field(max_length=40)
    writer: str
    seq: int = Field(sa_type=BigInteger)
    hash: str = Field(max_length=64)
    decision_id: str = Field(index=True)
    ts: int = Field(sa_type=BigInteger)
    trace_id: str
    span_id: str
    parent_span_id: str
    turn_id: str
    session_id: str
    caller: str
    kind: str
    target: str
    provider: str
    tool: str
    model: str
    method: str
    status: int
    latency_ms: float
    ttft_ms: float
    tokens_in: int = Field(sa_type=BigInteger)
    tokens_out: int = Field(sa_type=BigInteger)
    tokens_cached: int = Field(sa_type=BigInteger)
    cost_microusd: int = Field(sa_type=BigInteger)
    estimated: bool
    denied: bool
    denial_reason: str
    alert: str
    would_deny: str
    error: str
    policy_version: int
    record: str = Field(sa_type=Text)


class ArchiveCursorRow(SQLModel, table=True):
    """How far an agent's stream is archived: its entry's id."""

    __tablename__ = "archive_cursor"

    agent_id: str = Field(primary_key=True, max_length=63)
    entry_id: str = Field(max_length=40)


class ChainRow(SQLModel, table=True):
    """A writer's chain in the archive: its last record; `signed_seq` how far checkpoints cover it;
    `pruned_seq`, `pruned_hash` the last record that retention has removed (0: none)."""

    __tablename__ = "archive_chain"

    writer: str = Field(primary_key=True)
    agent_id: str = Field(max_length=63)
    seq: int = Field(sa_type=BigInteger)
    hash: str = Field(max_length=64)
    signed_seq: int = Field(sa_type=BigInteger)
    pruned_seq: int = Field(sa_type=BigInteger)
    pruned_hash: str = Field(max_length=64)


class FlawRow(SQLModel, table=True):
    """What was wrong with an entry when it came to be archived. `text` keeps an entry that could
    not be a row of `call`; `told`: the alarm was raised."""

    __tablename__ = "archive_flaw"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ROW_ID)
    agent_id: str = Field(max_length=63, index=True)
    entry_id: str = Field(max_length=40)
    kind: str = Field(max_length=16)
    writer: str
    seq: int = Field(sa_type=BigInteger)
    decision_id: str
    what: str
    text: str = Field(sa_type=Text)
    told: bool = Field(index=True)


class CheckpointRow(SQLModel, table=True):
    """A signed statement of what the archive had. `document` is canonical JSON, `hash` its
    SHA-256, `prev` the hash of the one before; `signature` and `public_key` are hex."""

    __tablename__ = "checkpoint"

    id: int | None = Field(default=None, primary_key=True, sa_type=_ROW_ID)
    ts: int = Field(sa_type=BigInteger)
    document: str = Field(sa_type=Text)
    hash: str = Field(max_length=64)
    prev: str = Field(max_length=64, unique=True)
    signature: str = Field(max_length=128)
    public_key: str = Field(max_length=64)


class AlertRow(SQLModel, table=True):
    """A reason for which a call was denied, would have been, or was let pass with an alert."""

    __tablename__ = "alert"
    __table_args__ = (
        Index("ix_alert_ts", "ts", "call_id"),
        Index("ix_alert_reason_ts", "reason", "ts", "call_id"),
        Index("ix_alert_agent_ts", "agent_id", "ts", "call_id"),
        Index("ix_alert_agent_reason_ts", "agent_id", "reason", "ts", "call_id"),
    )

    call_id: int = Field(primary_key=True, sa_type=BigInteger)
    reason: str = Field(primary_key=True)
    agent_id: str = Field(max_length=63)
    ts: int = Field(sa_type=BigInteger)


class CallSumRow(SQLModel, table=True):
    """Sums of calls: from `start_s` (seconds since the epoch) on for `grain_s`, of one agent or
    (agent_id "") of all, over the calls that have `value` in `dimension`."""

    __tablename__ = "call_sum"

    grain_s: int = Field(primary_key=True)
    agent_id: str = Field(primary_key=True, max_length=63)
    dimension: str = Field(primary_key=True, max_length=16)
    start_s: int = Field(primary_key=True, sa_type=BigInteger)
    value: str = Field(primary_key=True)
    calls: int = Field(sa_type=BigInteger)
    denied: int = Field(sa_type=BigInteger)
    tokens_in: int = Field(sa_type=BigInteger)
    tokens_out: int = Field(sa_type=BigInteger)
    cost_microusd: int = Field(sa_type=BigInteger)
