"""What alembic runs: the connection comes from `amaze_proxy.history.migrate`."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from amaze_proxy.history import archive_tables, tables  # noqa: F401  (they fill the metadata)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
context.run_migrations()
