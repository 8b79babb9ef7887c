"""The agent's own HTTP server: `POST /chat` with a message, `GET /health`.

A thread per request, so that a sync handler never holds up another message.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from amaze import context
from amaze.egress import TURN
from amaze.turns import Arrival, NoTurn, TurnSource

MAX_MESSAGE = 16 << 20  # bytes of a request body
READ_TIMEOUT = 30.0  # seconds for each read of a request
_ROUTES = "not found: there are POST /chat and GET /health"

log = logging.getLogger("amaze")


@dataclass(frozen=True, slots=True)
class ChatService:
    """What the server does with a message: find its turn, hand it to the author's function.

    `reply` returns what the author's function returned; `NoHandler`: there is none.
    """

    agent_id: str
    turn_of: TurnSource
    reply: Callable[[str], Any]


class NoHandler(Exception):
    """The agent's author wrote no function for such a message."""


class BadRequest(Exception):
    """The request is not one of ours; `status` and text are the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ChatServer:
    """Bound when made, so that its port can be registered; serves after `start`."""

    def __init__(self, host: str, port: int) -> None:
        self._server = _Server(host, port)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it is really bound to."""
        return int(self._server.server_address[1])

    def start(self, service: ChatService) -> None:
        self._server.service = service
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="amaze-chat", daemon=True
        )
        self._thread.start()

    def close(self, grace: float = 0.0) -> None:
        """Stop accepting, and give the messages being handled up to `grace` seconds."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.shutdown()
            thread.join()
            self._server.drain(grace)
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.service: ChatService | None = None
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
        log.debug("the client of a chat request went away", exc_info=True)

    def drain(self, grace: float) -> None:
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, grace)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = READ_TIMEOUT

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/health":
            self._answer(200, {"status": "ok", "agent_id": self._service.agent_id})
        else:
            self._answer(404, {"error": _ROUTES})

    def do_POST(self) -> None:
        try:
            if self.path.partition("?")[0] != "/chat":
                raise BadRequest(404, _ROUTES)
            if self.headers.get("Origin"):
                # Any web page that its user opens could otherwise give the agent orders.
                raise BadRequest(403, "a browser page cannot talk to an agent directly")
            message = _message(self._body())
        except BadRequest as refusal:
            self._answer(refusal.status, {"error": str(refusal)})
        else:
            self._answer(*self._reply(message))

    def _reply(self, message: str) -> tuple[int, Mapping[str, Any]]:
        arrival = Arrival(self.headers.get(TURN), self.headers.get("traceparent"))
        try:
            with context.turn(self._service.turn_of(arrival)):
                reply = self._service.reply(message)
            json.dumps(reply)
        except NoTurn as refusal:
            return refusal.status, {"error": refusal.message, "reason": refusal.reason}
        except NoHandler as missing:
            return 501, {"error": str(missing)}
        except Exception as error:
            # The text of an exception may hold anything; whoever runs the agent has the log.
            log.exception("the handler of a user's message failed")
            return 500, {"error": f"the agent failed: {type(error).__name__}"}
        return 200, {"reply": reply}

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(411, "a message needs a Content-Length")
        if int(length) > MAX_MESSAGE:
            raise BadRequest(413, f"a message may have {MAX_MESSAGE} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise BadRequest(400, "the message is cut off")
        return body

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    @property
    def _service(self) -> ChatService:
        service = self.server.service
        if service is None:
            raise RuntimeError("the chat server is not started")
        return service

    def version_string(self) -> str:
        return "amaze"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def _message(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest(400, 'the body is not JSON: send {"message": "…"}') from None
    message = content.get("message") if isinstance(content, dict) else None
    if not isinstance(message, str):
        raise BadRequest(400, 'the body has no "message" that is a text: send {"message": "…"}')
    return message
