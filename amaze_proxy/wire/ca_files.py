"""The two files of the CA: written atomically, the key readable by its owner alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


class CaError(Exception):
    """The CA cannot be used; the text is one line and says the fix."""


class CaFiles:
    """`ca.pem` and `ca.key` in a directory."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "ca.pem"
        self.key = directory / "ca.key"

    def read_certificate(self) -> bytes | None:
        """The certificate's PEM; None when there is none."""
        return _read(self.certificate)

    def read_key(self) -> bytes | None:
        """The key's PEM; None when there is none. Closes a key file that others may read."""
        pem = _read(self.key)
        if pem is not None:
            _close_to_others(self.key)
        return pem

    def write_certificate(self, pem: bytes) -> None:
        """Put the certificate in place, readable by all."""
        _write(self.certificate, pem, 0o644)

    def write_key(self, pem: bytes) -> None:
        """Put the key in place, readable by its owner alone from its first byte on."""
        _write(self.key, pem, 0o600)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory's CA lock, making the directory if needed. Raises CaError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / ".ca.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CaError(
            f"cannot use {directory} for the CA ({error.strerror}): make it a directory that this "
            "user may write"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CaError(
            f"cannot read {path} ({error.strerror}): make it readable for the user that runs the "
            "proxy"
        ) from None


def _close_to_others(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 == 0:
        return
    try:
        path.chmod(0o600)
    except OSError:
        raise CaError(
            f"others may read {path} (mode {mode:o}) and this user cannot change that: run "
            f"`chmod 600 {path}` as its owner"
        ) from None


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise CaError(
            f"cannot write {path} ({error.strerror}): let the user that runs the proxy write there"
        ) from None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
