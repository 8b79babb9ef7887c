"""The agent's own HTTP servers: requests with bounded bodies in, one whole answer out.

A thread per request, so that a sync handler never holds up another message.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, NoReturn

MAX_MESSAGE = 16 << 20  # bytes of a request body
READ_TIMEOUT = 30.0  # seconds for each read of a request

log = logging.getLogger("amaze")


class BadRequest(Exception):
    """The request is not one of ours; `status` and text are the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NoHandler(Exception):
    """The agent's author wrote no function for such a message."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, read whole. Header names are in lower case.

    A header that came twice has both values joined by ", " (RFC 9110 §5.3), so that where only
    one value makes sense there is none.
    """

    method: str
    path: str  # without the query
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer."""

    status: int
    body: bytes
    media_type: str = "application/json"


App = Callable[[Request], Response]


def json_response(status: int, content: Any) -> Response:
    """Raises TypeError or ValueError for what JSON cannot say."""
    return Response(status, json.dumps(content, allow_nan=False).encode())


def read_json(body: bytes) -> Any:
    """The JSON value in `body`. Raises ValueError: none, nested too deep, or no number (NaN)."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


class AgentServer:
    """Bound when made, so that its port can be registered; serves after `start`."""

    def __init__(self, host: str, port: int, name: str) -> None:
        self._server = _Server(host, port)
        self._name = name
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it is really bound to."""
        return int(self._server.server_address[1])

    def start(self, app: App) -> None:
        self._server.app = app
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name=self._name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing new. Harmless to repeat."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()

    def close(self, grace: float = 0.0) -> None:
        """Stop, and give the messages being handled up to `grace` seconds."""
        self.stop()
        self._server.drain(grace)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.app: App | None = None
        self._busy = 0
        self._idle = threading.Condition()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._idle:
            self._busy += 1
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("the client of a request went away", exc_info=True)

    def drain(self, grace: float) -> None:
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, grace)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = READ_TIMEOUT

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        try:
            body = self._body()
        except BadRequest as refusal:
            self._answer(json_response(refusal.status, {"error": str(refusal)}))
        else:
            self._serve(body)

    def _serve(self, body: bytes) -> None:
        if self.server.app is None:
            raise RuntimeError("the server is not started")
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        path = self.path.partition("?")[0]
        self._answer(self.server.app(Request(self.command, path, headers, body)))

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(411, "a message needs a Content-Length")
        # Python raises for a number of more than 4300 digits.
        if len(length) > 18 or int(length) > MAX_MESSAGE:
            raise BadRequest(413, f"a message may have {MAX_MESSAGE} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise BadRequest(400, "the message is cut off")
        return body

    def _answer(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.media_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def version_string(self) -> str:
        return "amaze"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
