"""Processes of a benchmark: start, wait until ready, look at, stop. Linux: it reads /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB, 0 if it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    _, found, rest = status.partition("VmRSS:")
    return int(rest.split()[0]) / 1024 if found else 0.0


def cpu_ms(pid: int) -> float:
    """CPU time that a process has used, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS


def descendants(pid: int, command_part: str) -> list[int]:
    """Processes below `pid` whose command line contains `command_part`."""
    found = []
    for child in _children(pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if command_part in command:
            found.append(child)
        found += descendants(child, command_part)
    return found


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    argv: Sequence[str],
    log: Path,
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    patience: float = 60.0,
) -> Iterator[int]:
    """Run a server for the block and give its pid. Its output goes to `log`.

    Raises RuntimeError with the end of the log if it is not ready in time.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=env)
    try:
        _await(process, ready, log, patience)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!s:.60}… is not ready:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def listens(port: int) -> Callable[[], bool]:
    """Whether something accepts connections on a port of loopback."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check
