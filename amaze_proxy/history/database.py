"""Sync sessions behind an async facade: reads in a few threads, writes in one, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlmodel import Session

from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.history.options import WRITES

T = TypeVar("T")

_RACES = 5  # how often a write that lost a race for a new row is tried
_READERS = 4


@contextmanager
def translated() -> Iterator[None]:
    """Every error of SQLAlchemy and its drivers as HistoryUnavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        raise HistoryUnavailable(f"the database failed: {_cause(error)}") from error


def _cause(error: SQLAlchemyError) -> str:
    """Without the statement and its parameters: they hold hashes and policies."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    name = type(error.orig).__name__
    if error.statement is not None:
        return name
    # It was not connected yet: whom it could not reach, or who was refused, is what one must know.
    return f"{name}: {' '.join(str(error.orig).split())}"


class Database:
    """Runs units of work in transactions.

    One writer thread: a database has one writer at a time anyway (`engine.py`), and waiting in our
    queue is fair where SQLite's busy handler is not. A unit of work is a function of a session, and
    may be run again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = ThreadPoolExecutor(1, "history-write")
        self._readers = ThreadPoolExecutor(_READERS, "history-read")

    async def read(self, work: Callable[[Session], T]) -> T:
        """The result of `work`. Raises HistoryUnavailable, and what `work` raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Session], T]) -> T:
        """The result of `work`, committed. Raises HistoryUnavailable, and what `work` raises.

        When the caller is cancelled, the transaction still ends, one way or the other.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writer, self._write, work)

    async def ping(self) -> None:
        """Raises HistoryUnavailable when the database does not answer."""
        await self.read(lambda session: session.connection().execute(text("SELECT 1")).all())

    async def close(self) -> None:
        """Ends the threads and connections, after the work that was begun."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    def _read(self, work: Callable[[Session], T]) -> T:
        with translated(), Session(self._engine, expire_on_commit=False) as session:
            return work(session)

    def _write(self, work: Callable[[Session], T]) -> T:
        with translated():
            for _ in range(_RACES - 1):
                try:
                    return self._write_once(work)
                except IntegrityError:  # another process made the row first: look again
                    continue
            return self._write_once(work)

    def _write_once(self, work: Callable[[Session], T]) -> T:
        with Session(self._engine, expire_on_commit=False) as session:
            session.connection(execution_options={WRITES: True})
            result = work(session)
            session.commit()
            return result
