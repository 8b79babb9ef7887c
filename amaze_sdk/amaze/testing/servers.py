"""The fake platform's two servers: a control plane and a proxy."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amaze.testing.platform import FakePlatform


@dataclass(frozen=True, slots=True)
class Call:
    """One request that came through the proxy. Header names are in lower case."""

    agent_id: str
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def turn(self) -> str | None:
        """The turn it was made in; None: the agent's ambient turn."""
        return self.headers.get("x-amaze-turn")

    def json(self) -> Any:
        return json.loads(self.body)


def problem(reason: str, detail: str) -> Mapping[str, Any]:
    """Why the control plane refuses (RFC 9457)."""
    return {"reason": reason, "detail": detail}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[_Handler], platform: FakePlatform, port: int) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.platform = platform
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; harmless to repeat."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal of a test."""


class Orchestrator(_Handler):
    def do_GET(self) -> None:
        if self.path == "/ca.pem":
            self.reply(200, self.server.platform.ca_pem, "application/x-pem-file")
        else:
            self.reply(200, b'{"status": "ok"}')

    def do_POST(self) -> None:
        platform, body = self.server.platform, self.body()
        credential = self.headers.get("X-Amaze-Bearer")
        if self.path == "/register":
            status, answer = platform.register(
                json.loads(body), self.headers.get("X-Amaze-Enroll-Key"), credential
            )
        elif self.path == "/turns":
            status, answer = platform.new_turn(credential)
        else:
            status, answer = 404, problem("not-found", self.path)
        self.reply(status, json.dumps(answer).encode())


class Proxy(_Handler):
    """Absolute-form requests, and CONNECT with TLS ended here."""

    tunnel: tuple[str, str] | None = None  # (agent id, "https://host") inside of one

    def do_CONNECT(self) -> None:
        agent_id = self._identity()
        platform, (host, _, port) = self.server.platform, self.path.rpartition(":")
        self.close_connection = True
        if agent_id is None:
            return self._unknown()
        if platform.tls_for is None:
            return self.reply(502, b"", "text/plain")
        self.send_response(200)
        self.end_headers()
        with platform.tls_for(host).wrap_socket(self.connection, server_side=True) as inside:
            handler = Proxy.__new__(Proxy)
            handler.tunnel = agent_id, f"https://{host}" + ("" if port == "443" else f":{port}")
            handler.__init__(inside, self.client_address, self.server)  # type: ignore[misc]
        return None

    def _any(self) -> None:
        body = self.body()
        if self.tunnel is None and self.path == "/health":
            return self.reply(200, b'{"status": "ok"}')
        agent_id, origin = self.tunnel or (self._identity(), "")
        if agent_id is None:
            return self._unknown()
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(agent_id, self.command, origin + self.path, headers, body)
        return self.reply(*self.server.platform.record(call))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any

    def _identity(self) -> str | None:
        """The agent that the proxy credentials prove (RFC 7617 §2)."""
        scheme, _, encoded = self.headers.get("Proxy-Authorization", "").partition(" ")
        try:
            user, _, credential = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        owner = self.server.platform.agent_of(credential)
        return owner if scheme.lower() == "basic" and owner == user else None

    def _unknown(self) -> None:
        self.close_connection = True
        self.send_response(407, "Agent token missing or unknown")
        self.send_header("Proxy-Authenticate", 'Basic realm="amaze"')
        self.send_header("Content-Length", "0")
        self.end_headers()
