"""The control process is killed when a change is in the history and not yet in the store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import redis

from amaze_proxy.store.embedded import EmbeddedValkey

KEY = "amk_for-these-tests-only"
_MARK = b"policy_publish"


class Relay:
    """Between a client and the store, until something is to be published: that never arrives."""

    def __init__(self, path: Path, store: Path) -> None:
        self.path = path
        self.held = threading.Event()
        self.holds = False
        self._store = store
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._server, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client = self._server.accept()[0]
            except OSError:
                return
            store = socket.socket(socket.AF_UNIX)
            store.connect(str(self._store))
            self._open += [client, store]
            for ends in ((client, store), (store, client)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.holds and _MARK in data:
                    self.held.set()
                    return
                target.sendall(data)


@contextmanager
def control(
    data_dir: Path, redis_url: str
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """The process, and a client of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AMAZE_")}
    env |= _settings(data_dir, redis_url, port)
    with (data_dir / "control.log").open("ab") as log:
        argv = [sys.executable, "-m", "amaze_proxy.cli", "control"]
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        headers = {"authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
            until(lambda: process.poll() is not None or _is_well(client))
            assert process.poll() is None, (data_dir / "control.log").read_text()
            yield process, client
    finally:
        process.kill()
        process.wait()


def _settings(data_dir: Path, redis_url: str, port: int) -> Mapping[str, str]:
    return {
        "AMAZE_DATA_DIR": str(data_dir),
        "AMAZE_REDIS_URL": redis_url,
        "AMAZE_CONTROL_PORT": str(port),
        "AMAZE_ADMIN_KEY": KEY,
        "AMAZE_STORE_TIMEOUT_MS": "10000",
    }


def _is_well(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def put(client: httpx.Client, name: str) -> int:
    """The status; 0 where no answer came."""
    try:
        return client.put("/policy/a", json={"name": name}).status_code
    except httpx.HTTPError:
        return 0


def test_what_was_saved_is_in_force_after_the_next_start(
    own_valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    relay = Relay(tmp_path / "relay.sock", own_valkey.socket_path)
    with redis.Redis(unix_socket_path=str(own_valkey.socket_path)) as store:
        with control(data_dir, f"unix://{relay.path}") as (process, client):
            assert put(client, "first") == 200
            relay.holds = True
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(put, client, "second")
                assert relay.held.wait(60)
                process.kill()
            assert asked.result() == 0
        relay.close()
        assert store.hget("policy:{a}", "version") == b"1"
        with control(data_dir, own_valkey.url):
            until(lambda: store.hget("policy:{a}", "version") == b"2")
            assert store.hget("policy:{a}", "document") == b'{"name":"second"}'
