"""Chains, flaws and signed checkpoints of the archive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "archive_chain",
        sa.Column("writer", sa.String(), primary_key=True),
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("signed_seq", sa.BigInteger(), nullable=False),
        sa.Column("pruned_seq", sa.BigInteger(), nullable=False),
        sa.Column("pruned_hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "archive_flaw",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("agent_id", sa.String(63), nullable=False),
        sa.Column("entry_id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("writer", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_archive_flaw_agent_id", "archive_flaw", ["agent_id"])
    op.create_index("ix_archive_flaw_told", "archive_flaw", ["told"])
    op.create_table(
        "checkpoint",
        sa.Column("id", row_id, primary_key=True, autoincrement=True),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("prev", sa.String(64), nullable=False, unique=True),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.Column("public_key", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    for table in ("checkpoint", "archive_flaw", "archive_chain"):
        op.drop_table(table)
