"""Sums of calls and the list of alerts; the archive's indexes by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_REPLACED = {"trace": "trace_id", "reason": "denial_reason"}
_BY_ID = ("trace", "reason", "alert", "tool", "model")
_BY_TIME = {"agent": "agent_id", "trace": "trace_id", "tool": "tool", "model": "model"}
_SUMS = ("calls", "denied", "tokens_in", "tokens_out", "cost_microusd")


def upgrade() -> None:
    for short in _BY_ID:
        op.drop_index(f"ix_call_{short}", "call")
    for short, name in _BY_TIME.items():
        op.create_index(f"ix_call_{short}_ts", "call", [name, "ts", "id"])
    op.create_table(
        "alert",
        sa.Column("call_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String(), primary_key=True),
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_alert_ts", "alert", ["ts", "call_id"])
    op.create_index("ix_alert_reason_ts", "alert", ["reason", "ts", "call_id"])
    op.create_index("ix_alert_agent_ts", "alert", ["agent_id", "ts", "call_id"])
    by_reason = ["agent_id", "reason", "ts", "call_id"]
    op.create_index("ix_alert_agent_reason_ts", "alert", by_reason)
    op.create_table(
        "call_sum",
        sa.Column("grain_s", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("agent_id", sa.String(63), primary_key=True),
        sa.Column("dimension", sa.String(16), primary_key=True),
        sa.Column("start_s", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.String(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
    )


def downgrade() -> None:
    for table in ("call_sum", "alert"):
        op.drop_table(table)
    for short in _BY_TIME:
        op.drop_index(f"ix_call_{short}_ts", "call")
    for short in _BY_ID:
        op.create_index(f"ix_call_{short}", "call", [_REPLACED.get(short, short), "id"])
