"""The archive of calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXTS = (
    *("trace_id", "span_id", "parent_span_id", "turn_id", "session_id", "caller", "kind"),
    *("target", "provider", "tool", "model", "method"),
)
_ASKED_BY = ("agent_id", "trace_id", "ts", "denial_reason", "alert", "tool", "model")


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "call",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("entry_id", sa.String(40), nullable=False),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _TEXTS),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("ttft_ms", sa.Float(), nullable=False),
        sa.Column("tokens_in", sa.BigInteger(), nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), nullable=False),
        sa.Column("tokens_cached", sa.BigInteger(), nullable=False),
        sa.Column("cost_microusd", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("denial_reason", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("would_deny", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.UniqueConstraint("writer", "seq"),
    )
    for name in _ASKED_BY:
        short = name.removesuffix("_id").removeprefix("denial_")
        op.create_index(f"ix_call_{short}", "call", [name, "id"])
    op.create_index("ix_call_decision_id", "call", ["decision_id"])
    op.create_table(
        "archive_cursor",
        sa.Column("agent_id", sa.String(63), primary_key=True),
        sa.Column("entry_id", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    for table in ("archive_cursor", "call"):
        op.drop_table(table)
