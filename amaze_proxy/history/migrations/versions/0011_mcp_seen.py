"""The tools of MCP servers that are not as accepted, in case that the store is emptied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mcp_seen",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("tools", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("mcp_seen")
