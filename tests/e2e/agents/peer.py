"""An agent without the SDK and an MCP server in one, in the test's process: plain HTTP, a port.

It answers with what `reply` makes of a message's (or of the tool's argument) text. Words in the
text make it fail: `error500`, `rpc-error`, `redirect`, `hangup` (no answer at all), `break` (cuts
its answer in the middle); `hold` waits for `release` first.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    text: str


@dataclass
class Peer:
    """Listens when made. Close it."""

    reply: Callable[[str], str] = "echo: {}".format
    seen: list[Got] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> dict[str, Any]:
        return {"a2a_host": "127.0.0.1", "a2a_port": self.port}

    def clear(self) -> None:
        self.seen.clear()
        self.card = {}
        self.release.clear()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    peer: Peer
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away are no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = _text(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.peer.seen.append(Got(self.path, headers, text))
        words = set(text.split())
        if "hold" in words:
            self.server.peer.release.wait(30)
        if "hangup" in words:
            self._cut()
        if "error500" in words:
            self._answer(500, b'{"error": "it broke"}')
        elif "redirect" in words:
            self._answer(307, b"", location="http://127.0.0.1:1/elsewhere")
        elif "stream" in body.get("method", self.path).lower():
            self._stream(body, text)
        else:
            answer = _answer(body, self.server.peer.reply, text)
            self._answer(200, json.dumps(answer).encode(), cut="break" in words)

    def do_GET(self) -> None:
        self._answer(200, json.dumps(self.server.peer.card).encode())

    def _answer(self, status: int, body: bytes, cut: bool = False, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._cut()

    def _stream(self, body: dict[str, Any], text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event(body, {"task": {"id": "t", "status": {"state": "TASK_STATE_WORKING"}}})
        if "break" in text.split():
            self._cut()
        self._event(body, _said(self.server.peer.reply(text)))
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, body: dict[str, Any], result: dict[str, Any]) -> None:
        data = b"data: " + json.dumps(_wrapped(body, result)).encode() + b"\n\n"
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _cut(self) -> NoReturn:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()
        raise ConnectionAbortedError

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _text(body: dict[str, Any]) -> str:
    params = body.get("params", body)
    if "arguments" in params:
        return str(params["arguments"].get("text", ""))
    return " ".join(str(part.get("text", "")) for part in params["message"]["parts"])


def _answer(body: dict[str, Any], reply: Callable[[str], str], text: str) -> dict[str, Any]:
    if "rpc-error" in text.split():
        error = {"code": -32603, "message": "it does not work"}
        return {"error": error} | ({"jsonrpc": "2.0", "id": body["id"]} if "id" in body else {})
    if body.get("method") == "tools/call":
        return _wrapped(body, {"content": [{"type": "text", "text": reply(text)}]})
    return _wrapped(body, _said(reply(text)))


def _said(text: str) -> dict[str, Any]:
    return {"message": {"messageId": "m-2", "role": "ROLE_AGENT", "parts": [{"text": text}]}}


def _wrapped(body: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """In JSON-RPC's envelope, if the request came in one."""
    return {"jsonrpc": "2.0", "id": body["id"], "result": result} if "jsonrpc" in body else result
