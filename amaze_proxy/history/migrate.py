"""Brings the schema to the newest revision, at start, in one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, text

from amaze_proxy.history.database import translated
from amaze_proxy.history.errors import HistoryMisconfigured
from amaze_proxy.history.options import MIGRATES, WRITES

_FOLDED = text(
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
    " JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = current_schema()::regnamespace"
    " AND c.relkind = 'r' AND NOT a.attisdropped"
    " AND a.attcollation NOT IN (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))"
)


def upgrade(engine: Engine) -> str:
    """Runs the missing migrations; the revision the schema is at now.

    Two processes may start at once: the second waits, and finds nothing to do. Raises
    HistoryUnavailable, and HistoryMisconfigured for a schema that is newer than this program.
    """
    config = _config()
    # begun here: alembic would commit each migration by itself, and let another process in between
    with (
        translated(),
        engine.connect().execution_options(**{WRITES: True, MIGRATES: True}) as connection,
        connection.begin(),
    ):
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise HistoryMisconfigured(
                "the database was written by a newer version of amaze: upgrade this installation"
            ) from error
        if connection.dialect.name == "postgresql":
            _order_by_bytes(connection)
    return ScriptDirectory.from_config(config).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _order_by_bytes(connection: Connection) -> None:
    """Gives the text columns of the schema the collation "C".

    Pages go on behind a name, so its order must be one: by bytes, as in SQLite, whatever the
    locale of the database, and however the next release of the system orders that locale.
    """
    quote = connection.dialect.identifier_preparer.quote
    for table, column, kind in connection.execute(_FOLDED).all():
        change = f'ALTER COLUMN {quote(column)} TYPE {kind} COLLATE "C"'
        connection.exec_driver_sql(f"ALTER TABLE {quote(table)} {change}")
