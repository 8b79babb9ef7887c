"""The tools of MCP servers that were accepted; what the last probe of a server found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("registry_entry") as entry:
        entry.add_column(sa.Column("pins", sa.Text(), nullable=False, server_default="{}"))
        entry.add_column(
            sa.Column("pinned_ms", sa.BigInteger(), nullable=False, server_default="0")
        )
    op.create_table(
        "mcp_probe",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("ts", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("mcp_probe")
    op.drop_column("registry_entry", "pinned_ms")
    op.drop_column("registry_entry", "pins")
