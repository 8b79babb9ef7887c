"""A control API that answers what a test tells it to, in this process, and a clean environment."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner, Result

from amaze_proxy.cli import main


@dataclass
class Asked:
    """A request that the API got."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeControl:
    """`answers` maps `METHOD /path` to a status and a JSON document, bytes, or a function of the
    request; None hangs up."""

    port: int = 0
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, line: str, document: Any, status: int = 200) -> None:
        self.answers[line] = (status, document)

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@pytest.fixture
def control() -> Iterator[FakeControl]:
    fake = FakeControl()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.asked.append(
                Asked(self.command, url.path, dict(parse_qsl(url.query)), headers, body)
            )
            status, document = fake.answers.get(f"{self.command} {url.path}", (404, {}))
            if callable(document):
                document = document(fake.last)
            if document is None:
                self.close_connection = True
                return
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response_only(status)
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


Amaze = Callable[..., Result]


@pytest.fixture
def amaze(control: FakeControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Amaze:
    """Runs `amaze …` in this process, against `control` (which serves as the proxy as well)."""
    for name in [name for name in os.environ if name.startswith(("AMAZE_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AMAZE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AMAZE_CONTROL_PORT", str(control.port))
    monkeypatch.setenv("AMAZE_PROXY_PORT", str(control.port))
    monkeypatch.setenv("AMAZE_ADMIN_KEY", "amk_preset")
    monkeypatch.setattr("amaze_proxy.cli.common.console.width", 200, raising=False)

    def run(*args: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, args, input=stdin)

    return run
