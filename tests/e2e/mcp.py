"""MCP by hand, for the tests of evasion and limits: sessions of raw HTTP, and a scripted server."""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.e2e.platform import Agent, Platform

REVISION = "2025-06-18"
HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}


def register(platform: Platform, kind: str, url: str) -> str:
    """An approved server; its name."""
    name = f"{kind}-{secrets.token_hex(3)}"
    answer = platform.control.post("/register?kind=mcp", json={"name": name, "url": url})
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"] == "approved"
    return name


def rpc(method: str, params: dict[str, Any] | None = None, rpc_id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params or {}}


def tool(name: str, rpc_id: Any = 1, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", {"name": name, "arguments": arguments}, rpc_id)


def messages(answer: httpx.Response) -> list[Any]:
    """The JSON-RPC messages of an answer, be it JSON or events."""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        return [answer.json()] if answer.content else []
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line[6:]) for line in lines if line[6:].strip()]


@dataclass(frozen=True, slots=True)
class Session:
    """A session of MCP that has done its handshake."""

    client: httpx.Client
    url: str
    headers: dict[str, str]

    def post(self, message: Any) -> httpx.Response:
        return self.client.post(self.url, json=message, headers=self.headers)

    def ask(self, method: str, **params: Any) -> Any:
        """The response to the request."""
        return messages(self.post(rpc(method, params)))[-1]

    def call(self, name: str, **arguments: Any) -> tuple[str, str]:
        """A tool's text; "", or the reason for which we refused it."""
        answer = self.post(tool(name, **arguments))
        reason = answer.headers.get("x-amaze-reason", "")
        told = messages(answer)[-1]
        assert "result" in told, (reason, told)
        result = told["result"]
        assert result.get("isError", False) == bool(reason)
        return result["content"][0]["text"], reason


def handshake(client: httpx.Client, url: str, revision: str = REVISION) -> Session:
    """A session at the URL: `initialize`, then the notification that ends the handshake."""
    capabilities: dict[str, Any] = {"sampling": {}, "elicitation": {}}
    about = {"name": "raw", "version": "1"}
    params = {"protocolVersion": revision, "capabilities": capabilities, "clientInfo": about}
    answer = client.post(url, json=rpc("initialize", params, 0), headers=HEADERS)
    (told,) = messages(answer)
    assert "result" in told, told
    headers = {**HEADERS, "mcp-protocol-version": revision}
    if session_id := answer.headers.get("mcp-session-id"):
        headers["mcp-session-id"] = session_id
    session = Session(client, url, headers)
    ended = session.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert ended.status_code == 202
    return session


@contextmanager
def session_of(platform: Platform, agent: Agent, url: str) -> Iterator[Session]:
    """A session of the agent, through the proxy."""
    with platform.client(agent) as client:
        yield handshake(client, url)


@dataclass(frozen=True, slots=True)
class Scripted:
    """What a scripted server answers; `body` None: the request's id with an empty result."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("Content-Type", "application/json"),)
    body: bytes | None = None


_NUMBERS = itertools.count(1)


class ScriptedServer:
    """A server that answers as it is told: `next`, once each, then a plain result."""

    def __init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append(asked)
                answer = outer.next.pop(0) if outer.next else Scripted()
                body = answer.body
                if body is None:
                    told = {"content": [{"type": "text", "text": "done"}]}
                    body = json.dumps(
                        {"jsonrpc": "2.0", "id": asked["id"], "result": told}
                    ).encode()
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.seen: list[Any] = []
        self.next: list[Scripted] = []
        # An address of its own: a port that an agent of an earlier test had would still be its.
        number = next(_NUMBERS)
        host = f"127.0.{77 + number // 250}.{1 + number % 250}"
        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}/mcp"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
