"""Brings the schema to the newest revision, at start, in one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Engine, text

from amaze_proxy.history.database import translated
from amaze_proxy.history.engine import WRITES
from amaze_proxy.history.errors import HistoryMisconfigured

_LOCK = 0x616D617A65  # "amaze": the advisory lock that two starting processes meet at


def upgrade(engine: Engine) -> str:
    """Runs the missing migrations; the revision the schema is at now.

    Two processes may start at once: the second waits, and finds nothing to do. Raises
    HistoryUnavailable, and HistoryMisconfigured for a schema that is newer than this program.
    """
    config = _config()
    # begun here: alembic would commit each migration by itself, and let another process in between
    with (
        translated(),
        engine.connect().execution_options(**{WRITES: True}) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise HistoryMisconfigured(
                "the database was written by a newer version of amaze: upgrade this installation"
            ) from error
    return ScriptDirectory.from_config(config).get_current_head() or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config
