"""How a worker shows that it lives: by a locked file to its machine, by a beat in the store to all.

The kernel lets go of the lock when the process ends, however it ends, and not before: one that is
stopped or slow keeps it. Whoever sees the same file knows for certain; others see the beat alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.journal import waits
from amaze_proxy.store.open_calls import OpenCalls

_log = logging.getLogger(__name__)
_SUFFIX = ".lives"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
BEAT_S = 5.0


def place_of(directory: Path | None) -> str:
    """Names a directory of a running machine for whoever sees the same one ("": no name)."""
    if directory is None:
        return ""
    try:
        found = directory.stat()
        return f"{_BOOT.read_text('ascii').strip()}:{found.st_dev}:{found.st_ino}"
    except (OSError, ValueError):
        return ""


class Presence:
    """Of this process. The file is there, and locked, before the first beat is."""

    def __init__(self, calls: OpenCalls, instance: str, directory: Path | None) -> None:
        self._calls = calls
        self._instance = instance
        self._descriptor = -1
        self._path: Path | None = None
        self._place = ""
        self._number = 0
        self._closed = False
        if directory is not None:
            self._lock(directory)

    def _lock(self, directory: Path) -> None:
        path = directory / f"{self._instance}{_SUFFIX}"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            _log.warning("this worker shows by its beat alone that it lives: %s", error)
            return
        self._path, self._place = path, place_of(directory)

    async def beat(self) -> None:
        """Once. Raises StoreUnavailable."""
        self._number += 1
        await self._calls.beat(self._instance, f"{self._number} {self._place}")

    async def run(self) -> None:
        """Until `stop`: beat, whatever the store says."""
        while not self._closed:
            with suppress(StoreUnavailable):
                await self.beat()
            await asyncio.sleep(BEAT_S)

    def stop(self) -> None:
        """End `run`. A cancellation alone can get lost in redis-py on Python 3.11."""
        self._closed = True

    def close(self) -> None:
        """All that was admitted here is settled, or in the journal."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Watcher:
    """Judges by what is seen in `directory`, where the journals of this machine are."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._place = place_of(directory)

    def lives(self, instance: str, beat: str) -> bool | None:
        """True: its process has its lock, or its journal waits to be delivered. False: the process
        is gone, with nothing left. None: it cannot be seen from here."""
        if self._directory is None or not instance.isalnum():
            return None
        path = self._directory / f"{instance}{_SUFFIX}"
        if _locked(path) or waits(self._directory, instance):
            return True
        same = self._place != "" and beat.partition(" ")[2] == self._place
        return False if same else None

    def clear(self, instance: str) -> None:
        """Remove the file of a dead one."""
        if self._directory is not None and instance.isalnum():
            with suppress(OSError):
                (self._directory / f"{instance}{_SUFFIX}").unlink()


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # in doubt, it lives
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
