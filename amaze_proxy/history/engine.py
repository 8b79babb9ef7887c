"""One engine for each database URL: SQLite files and PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from amaze_proxy.history.errors import HistoryMisconfigured, HistoryUnavailable
from amaze_proxy.history.options import BUSY_TIMEOUT_MS, WRITES

_CONNECTION = {"application_name": "amaze", "connect_timeout": "5"}


def make_engine(url: str) -> Engine:
    """The engine for `url`: `sqlite:///path`, `postgresql://…`. Connects to nothing yet.

    Raises HistoryMisconfigured with what to change, HistoryUnavailable.
    """
    parsed = _parse(url)
    return _sqlite(parsed) if parsed.drivername == "sqlite" else _postgresql(parsed)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise HistoryMisconfigured(
            "AMAZE_DATABASE_URL is no database URL: sqlite:////path/to/file or postgresql://…"
        ) from error
    match parsed.get_backend_name():
        case "sqlite":
            return parsed.set(drivername="sqlite")
        case "postgres" | "postgresql":  # whatever driver it names: there is one that we speak
            return parsed.set(drivername="postgresql+psycopg")
    raise HistoryMisconfigured(
        f"AMAZE_DATABASE_URL: {parsed.drivername} is not supported, use sqlite or postgresql"
    )


def _postgresql(url: URL) -> Engine:
    try:
        from amaze_proxy.history.postgres import adapt  # an extra of the installation
    except ImportError as error:
        raise HistoryMisconfigured(
            "AMAZE_DATABASE_URL names PostgreSQL, and its driver is not installed: "
            "pip install 'amaze-control-plane[postgres]'"
        ) from error
    engine = create_engine(
        url.set(query={**_CONNECTION, **url.query}),
        pool_pre_ping=True,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
    )
    adapt(engine)
    return engine


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise HistoryMisconfigured("AMAZE_DATABASE_URL: the history must be a file, not memory")
    _own_file(Path(url.database))
    engine = create_engine(url, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _own_file(path: Path) -> None:
    """Make the file before SQLite does, readable by its owner alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise HistoryUnavailable(f"cannot open {path}: {error.strerror}") from error


def _on_connect(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own is never immediate
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a version that was acknowledged survives power loss
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # a deferred transaction that reads first cannot be upgraded when another one has written
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
