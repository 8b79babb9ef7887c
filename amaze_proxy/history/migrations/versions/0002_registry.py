"""MCP servers and LLM hosts, and the names that they share with agents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registered_name",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
    )
    op.execute("INSERT INTO registered_name (name, kind) SELECT agent_id, 'agent' FROM agent")
    op.create_table(
        "registry_entry",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("dialect", sa.String(16), nullable=False),
        sa.Column("tools", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("claim_url", sa.String(), nullable=False),
        sa.Column("claim_tools", sa.Text(), nullable=False),
        sa.Column("claim_ms", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_registry_entry_status", "registry_entry", ["status"])


def downgrade() -> None:
    for table in ("registry_entry", "registered_name"):
        op.drop_table(table)
