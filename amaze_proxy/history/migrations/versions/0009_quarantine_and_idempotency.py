"""Who has quarantined an agent; what was made under an Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("agent") as agent:
        agent.add_column(
            sa.Column("quarantined_by", sa.String(), nullable=False, server_default="")
        )
        agent.add_column(
            sa.Column("admin_stopped", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    # Who stopped these is in the log alone: only an admin lets them go.
    op.execute("UPDATE agent SET admin_stopped = true WHERE status = 'quarantined'")
    op.create_table(
        "idempotent_request",
        sa.Column("key_sha256", sa.String(64), primary_key=True),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("secret", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_idempotent_request_created_ms", "idempotent_request", ["created_ms"])


def downgrade() -> None:
    op.drop_table("idempotent_request")
    op.drop_column("agent", "admin_stopped")
    op.drop_column("agent", "quarantined_by")
