"""What the store did not take, kept on disk until it does.

One append-only file per process, locked by it; a line is the JSON of a whole settlement. Whoever
finds a file that nobody has locked may adopt it: its process is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from pathlib import Path

from amaze_proxy.policy.decision import Limit
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.usage import Measure
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.errors import StoreError, StoreUnavailable

_SUFFIX = ".journal"
_FIELDS = {f.name for f in fields(Settlement)}


def encode(settlement: Settlement) -> bytes:
    """One line. Non-ASCII is escaped, so that any text survives."""
    kept = asdict(replace(settlement, stored=""))  # it is made of the record again
    return json.dumps(kept, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Settlement:
    """The settlement of a line. Raises ValueError for anything else."""
    body = json.loads(line)
    if not isinstance(body, dict) or set(body) != _FIELDS:
        raise ValueError("not a settlement")
    try:
        body["record"] = AuditRecord(**body["record"])
        body["limits"] = tuple(
            Limit(**{**limit, "measure": Measure(limit["measure"])}) for limit in body["limits"]
        )
        return Settlement(**body)
    except (TypeError, KeyError) as error:
        raise ValueError("not a settlement") from error


class Journal:
    """One locked file. Not thread-safe: one call at a time."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, directory: Path, name: str) -> Journal:
        """A new file. Raises StoreError when the directory cannot be written."""
        path = directory / f"{name}{_SUFFIX}"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_directory(directory)
        except OSError as error:
            raise StoreError(
                f"the journal directory {directory} cannot be used: {error}"
            ) from error
        return cls(path, descriptor)

    def append(self, settlements: Sequence[Settlement]) -> None:
        """On disk when it returns. Raises StoreUnavailable, and then nothing was added."""
        data = b"".join(encode(settlement) for settlement in settlements)
        try:
            found = os.fstat(self._descriptor)
            if found.st_nlink == 0:
                raise OSError("the journal file was removed")
            if found.st_size != self.size:  # left by a write that failed
                os.ftruncate(self._descriptor, self.size)
            _write_all(self._descriptor, data)
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise StoreUnavailable(f"the journal cannot be written: {error}") from error
        self.size += len(data)

    def read(self, offset: int = 0) -> Iterator[tuple[int, bytes]]:
        """Whole lines from `offset`, each with the offset after it; a torn last line is none."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(offset)
            while (line := file.readline()).endswith(b"\n") and offset < self.size:
                offset += len(line)
                yield offset, line

    def clear(self) -> None:
        """Forget what was replayed. When that fails, it is replayed again: harmless."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
            self.size = 0

    def close(self) -> None:
        """Unlock; an empty file goes."""
        if self.size == 0:
            with suppress(OSError):
                self.path.unlink()
        os.close(self._descriptor)


def adopt(directory: Path) -> list[Journal]:
    """The files of dead processes, locked for us, oldest first."""
    return [journal for path in _oldest_first(directory) if (journal := _adopt(path))]


def waits(directory: Path, name: str) -> bool:
    """Whether the file of this name has something in it that is not delivered yet."""
    try:
        return (directory / f"{name}{_SUFFIX}").stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def set_aside(journal: Journal) -> None:
    """Keep a file with damaged lines out of later replays, for a person to look at."""
    journal.path.rename(journal.path.with_suffix(".damaged"))


def _adopt(path: Path) -> Journal | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None  # another process was faster
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return Journal(path, descriptor)
    except OSError:
        pass  # locked: its process lives
    os.close(descriptor)
    return None


def _oldest_first(directory: Path) -> list[Path]:
    def age(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    return sorted(directory.glob(f"*{_SUFFIX}"), key=age)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
