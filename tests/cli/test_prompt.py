"""What `amaze login` asks for at a terminal is not shown there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.patience import PATIENCE

SECRET = "correct-horse-battery"


class _Refusing(BaseHTTPRequestHandler):
    """A control plane that lets nobody in, and keeps what it was sent."""

    sent: list[str] = []

    def _refuse(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.sent.append(body.decode() + str(self.headers.get("authorization", "")))
        answer = b'{"code": "sign-in-refused", "detail": "wrong name or password"}'
        self.send_response(401)
        self.send_header("content-type", "application/problem+json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _refuse

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture
def port() -> Iterator[int]:
    """Where it listens."""
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def read_until(terminal: int, word: bytes) -> bytes:
    """What the terminal shows, up to the word; all of it where the word does not come."""
    shown, deadline = b"", time.monotonic() + 2 * PATIENCE
    while word not in shown and time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            more = os.read(terminal, 4096)
        except OSError:  # Linux: nobody has the other side open any more
            return shown
        if not more:
            return shown
        shown += more
    return shown


@pytest.mark.parametrize(
    ("args", "asked"), [(("ann",), b"password:"), (("--key",), b"API key:")], ids=["name", "key"]
)
def test_a_secret_is_asked_for_and_not_shown(
    args: tuple[str, ...], asked: bytes, port: int, tmp_path: Path
) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "AMAZE_DATA_DIR": str(tmp_path), "AMAZE_CONTROL_PORT": str(port)}
    _Refusing.sent.clear()
    ours, theirs = pty.openpty()  # as it is made, it shows all that is typed
    command = [sys.executable, "-m", "amaze_proxy.cli", "login", *args]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as login:
        os.close(theirs)
        shown = read_until(ours, asked)
        assert asked in shown
        os.write(ours, SECRET.encode() + b"\n")
        shown += read_until(ours, b"\x00never")
        assert login.wait(2 * PATIENCE) != 0
    os.close(ours)
    assert any(SECRET in one for one in _Refusing.sent), "it was typed, and sent"
    assert SECRET.encode() not in shown
    assert b"wrong name or password" in shown
