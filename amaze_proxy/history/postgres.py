"""What PostgreSQL needs so that the history means the same in it as in a SQLite file."""

from __future__ import annotations

from typing import Any

from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Connection, Engine, event

from amaze_proxy.history.options import BUSY_TIMEOUT_MS, MIGRATES, WRITES

_STATEMENT_TIMEOUT_MS = 30_000
_IDLE_TIMEOUT_MS = 60_000  # a process that hangs in a transaction gives its locks up
_LOCK = 0x616D617A65  # "amaze": the advisory lock of whoever writes


def adapt(engine: Engine) -> None:
    """Every connection and transaction of `engine` as the history needs them."""
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)


class _Text(StrDumperUnknown):
    """PostgreSQL has no NUL in a text, so what is looked for with one must not be found there.

    Nothing is written with one: names and labels are refused with it, records have it escaped.
    """

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd"))


def _on_connect(connection: Any, _record: object) -> None:
    connection.adapters.register_dumper(str, _Text)
    connection.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute(f"SET statement_timeout = {_STATEMENT_TIMEOUT_MS}")
    connection.execute(f"SET idle_in_transaction_session_timeout = {_IDLE_TIMEOUT_MS}")
    connection.commit()


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(MIGRATES):  # it has to wait for the one that does it, and may take long itself
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    if options.get(WRITES):
        # One writer at a time, as SQLite has it: what a unit of work has read stays true until it
        # commits, and the numbers of calls are in the order of the commits.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    else:  # all that one unit of work reads is of one moment
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
