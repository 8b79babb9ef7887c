"""What the processes of one installation share: its data directory, its keys, its store."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from amaze_proxy.settings import Settings, SettingsError

_PR_SET_PDEATHSIG = 1


def prepare(settings: Settings) -> Path:
    """The data directory, made for its owner alone. Raises SettingsError with the fix."""
    directory = settings.data_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / "journal").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"the data directory {directory} cannot be used ({error.strerror}): "
            "make it writable, or name another with AMAZE_DATA_DIR"
        ) from None
    return directory


@contextlib.contextmanager
def claimed(settings: Settings) -> Iterator[None]:
    """Holds the data directory for one platform: a second would stop the store of the first.

    The kernel lets go when the process ends, however it ends. Raises SettingsError.
    """
    handle = os.open(settings.data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise SettingsError(
            f"aMaze is up already on the data directory {settings.data_dir}: stop it, or name "
            "another directory with AMAZE_DATA_DIR"
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def listening_socket(settings: Settings, name: str, *, reuse_port: bool = False) -> socket.socket:
    """A socket bound to the port of `name` (`proxy`, `control`). Raises SettingsError."""
    port = getattr(settings, f"{name}_port")
    sock = socket.socket(socket.AF_INET6 if ":" in settings.bind else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        sock.bind((settings.bind, port))
    except OSError as error:
        sock.close()
        raise SettingsError(
            f"the {name} cannot listen on {settings.bind}:{port} ({error.strerror}): "
            f"stop what uses the port, or set AMAZE_{name.upper()}_PORT"
        ) from None
    return sock


def check_ports(settings: Settings, *, ui: bool = False) -> None:
    """Raises SettingsError, with the fix, when one of our ports is taken, also by another of us."""
    held: dict[int, str] = {}
    for name in ("proxy", "control", *(("ui",) if ui else ())):
        listening_socket(settings, name).close()
        port = getattr(settings, f"{name}_port")
        if port in held:
            raise SettingsError(
                f"the port {port} is both that of {held[port]} and of {name}: "
                f"set AMAZE_{name.upper()}_PORT to another"
            )
        held[port] = name


def secret_file(path: Path, make: bool = True) -> bytes:
    """The 32 random bytes kept in `path` (0600), made on first use; the same for every process."""
    try:
        if make:
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # whoever comes first decides; nobody sees half a key
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): repair its owner") from None
    if len(content) != 32:
        raise SettingsError(f"{path} is not a key of ours: restore it, or remove it and restart")
    return content


def turn_key(settings: Settings) -> bytes:
    """The key that turn tokens are signed with."""
    return secret_file(settings.data_dir / "turn.key")


def audit_key(settings: Settings) -> bytes:
    """The key that checkpoints of the evidence are signed with."""
    return secret_file(settings.data_dir / "audit.key")


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent is gone (Linux; nothing elsewhere)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went in between
        os.kill(os.getpid(), signal.SIGTERM)
