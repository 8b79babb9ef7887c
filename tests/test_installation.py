"""Data directory, ports and keys: made for the owner alone, or an error with the fix."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from amaze_proxy import installation
from amaze_proxy.installation import (
    check_ports,
    listening_socket,
    prepare,
    secret_file,
    turn_key,
)
from amaze_proxy.settings import Settings, SettingsError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_data_directory_is_its_owners_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a" / "b")
    assert prepare(settings) == tmp_path / "a" / "b"
    assert prepare(settings) == settings.data_dir, "again does no harm"
    assert mode(settings.data_dir) == mode(settings.data_dir / "journal") == 0o700


def test_a_data_directory_that_cannot_be_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="AMAZE_DATA_DIR"):
        prepare(Settings(data_dir=tmp_path / "file" / "sub"))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_a_taken_port_is_named_with_the_fix() -> None:
    settings = Settings(proxy_port=free_port(), control_port=free_port())
    check_ports(settings)
    with contextlib.closing(listening_socket(settings, "control")) as taken:
        taken.listen()
        with pytest.raises(SettingsError, match="AMAZE_CONTROL_PORT"):
            check_ports(settings)
    check_ports(settings)


def test_two_parts_cannot_have_one_port() -> None:
    port = free_port()
    with pytest.raises(SettingsError, match=f"{port} .* AMAZE_CONTROL_PORT"):
        check_ports(Settings(proxy_port=port, control_port=port))
    apart = Settings(proxy_port=port, control_port=free_port(), ui_port=port)
    check_ports(apart)
    with pytest.raises(SettingsError, match="AMAZE_UI_PORT"):
        check_ports(apart, ui=True)


def test_workers_share_a_port() -> None:
    settings = Settings(proxy_port=free_port())
    with contextlib.ExitStack() as open_:
        for _ in range(2):
            sock = listening_socket(settings, "proxy", reuse_port=True)
            open_.callback(sock.close)
            sock.listen()


def test_ip6() -> None:
    settings = Settings(bind="::1", proxy_port=free_port())
    with contextlib.closing(listening_socket(settings, "proxy")) as sock:
        assert sock.family is socket.AF_INET6


def test_a_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    key = secret_file(path)
    assert len(key) == 32
    assert mode(path) == 0o600
    assert secret_file(path) == secret_file(path, make=False) == key
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.key"], "no draft is left"
    assert turn_key(Settings(data_dir=tmp_path)) == secret_file(tmp_path / "turn.key")


def test_whoever_comes_first_decides_on_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = threading.Barrier(8)
    # each thread stands for a process: its draft has its own name
    monkeypatch.setattr(installation.os, "getpid", threading.get_ident)

    def make(_: int) -> bytes:
        ready.wait()
        return secret_file(tmp_path / "a.key")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1


def test_a_key_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    with pytest.raises(SettingsError, match="cannot be read"):
        secret_file(path, make=False)
    path.write_bytes(b"short")
    with pytest.raises(SettingsError, match="not a key of ours"):
        secret_file(path)
    with pytest.raises(SettingsError, match="cannot be read"):
        secret_file(tmp_path / "missing" / "a.key")


_CHILD = """
import os, signal, sys
from amaze_proxy.installation import die_with_parent
child = os.fork()
if not child:
    os.setsid()
    signal.signal(signal.SIGALRM, lambda *_: (os.write(1, b"still here"), os._exit(1)))
    signal.alarm(20)
    die_with_parent()
    os.write(1, b"ready %d\\n" % os.getpid())
    signal.pause()
sys.stdin.read(1)
os._exit(0)
"""


def test_a_process_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        word, pid = parent.stdout.readline().split()
        assert (word, int(pid) > 0) == (b"ready", True)
        parent.stdin.close()
        assert parent.stdout.read() == b"", "the pipe ends when the last who has it is gone"
        assert parent.wait() == 0


def test_a_parent_that_went_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = iter([100, 1])
    killed: list[tuple[int, int]] = []

    class NoLibc:
        def __init__(self, *_: object, **__: object) -> None: ...
        def prctl(self, *args: int) -> int:
            return 0

    monkeypatch.setattr(installation.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(installation.os, "kill", lambda *args: killed.append(args))
    monkeypatch.setattr(installation.ctypes, "CDLL", NoLibc)
    installation.die_with_parent()
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_elsewhere_there_is_nothing_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.sys, "platform", "darwin")
    monkeypatch.setattr(installation.os, "getppid", lambda: pytest.fail("asked"))
    installation.die_with_parent()


def test_a_data_directory_is_for_one_platform_at_a_time(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with (
        installation.claimed(settings),
        pytest.raises(SettingsError, match=r"up already .*AMAZE_DATA_DIR"),
        installation.claimed(settings),
    ):
        pass
    with installation.claimed(settings):
        assert (tmp_path / "up.lock").stat().st_mode & 0o777 == 0o600
