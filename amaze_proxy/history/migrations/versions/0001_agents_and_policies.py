"""Agents, their credentials and claims, policy versions, API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _id() -> sa.String:
    return sa.String(63)


def _endpoint() -> list[sa.Column[object]]:
    return [
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("a2a_host", sa.String(), nullable=False),
        sa.Column("a2a_port", sa.Integer(), nullable=False),
        sa.Column("chat_host", sa.String(), nullable=False),
        sa.Column("chat_port", sa.Integer(), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "policy_version",
        sa.Column("agent_id", _id(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("parent", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
    )
    op.create_table(
        "policy_head",
        sa.Column("agent_id", _id(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "agent",
        sa.Column("agent_id", _id(), primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        *_endpoint(),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("released_status", sa.String(16), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_agent_status", "agent", ["status"])
    op.create_table(
        "credential",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("agent_id", _id(), sa.ForeignKey("agent.agent_id"), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_credential_agent_id", "credential", ["agent_id"])
    op.create_table(
        "claim",
        sa.Column("agent_id", _id(), sa.ForeignKey("agent.agent_id"), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        *_endpoint(),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "api_key",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    for table in ("api_key", "claim", "credential", "agent", "policy_head", "policy_version"):
        op.drop_table(table)
