"""For the tests of agents: a platform in the test process that records what the agent does.

    with amaze.testing.FakePlatform() as platform:
        platform.answer("http://tools.example/*", {"found": 3})
        with amaze.testing.environment(platform.environment("my-agent")):
            with amaze.init(block=False) as agent:
                reply = amaze.testing.send(agent.port, "hello")
        assert platform.calls[0].turn

It registers agents, gives turns and plays the proxy, but decides nothing: every call of a known
agent is recorded and gets the answer that was set for its URL. For `https` targets give
`tls_for`, which makes the server context for a host name, and the CA that signed it; with
trustme:

    ca = trustme.CA()
    def tls_for(host):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(host).configure_cert(context)
        return context
    FakePlatform(tls_for=tls_for, ca_pem=ca.cert_pem.bytes())
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any

from amaze.environment import PROXY_VARIABLES
from amaze.settings import Origin

# For platforms without TLS: a valid CA certificate whose key was never kept.
_KEYLESS_CA = b"""\
-----BEGIN CERTIFICATE-----
MIIBgzCCASqgAwIBAgIBATAKBggqhkjOPQQDAjAnMSUwIwYDVQQDDBxhbWF6ZS50
ZXN0aW5nOiBubyBrZXkgZXhpc3RzMCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAx
MDAwMDAwWjAnMSUwIwYDVQQDDBxhbWF6ZS50ZXN0aW5nOiBubyBrZXkgZXhpc3Rz
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbSt6ZT3oCYFSsvLhVAGT8zl3yXhF
D5j9VICrQuTVng1AQ0NY3wmZPrOzDS2EqZE9lmapOYqvL2uC8YGii2DdraNFMEMw
EgYDVR0TAQH/BAgwBgEB/wIBADAdBgNVHQ4EFgQUIrWxqDBXaS6YTWAnPT99ujhx
yN8wDgYDVR0PAQH/BAQDAgEGMAoGCCqGSM49BAMCA0cAMEQCIFvvhnfWvN+y4v6Q
ByTQ/shqV3r99u1SmrvrHCZlXuf5AiBKa5c+llxW3fTDp8DiPiqQ4qyOLEa6FrsL
z48F4Do24Q==
-----END CERTIFICATE-----
"""


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


@dataclass(frozen=True, slots=True)
class _Answer:
    pattern: str
    status: int
    body: bytes


class FakePlatform:
    """A control plane and a recording proxy on loopback, as a context manager.

    `enroll_key`: new agents need it. `orchestrator_port` fixes the port, 0 takes a free one.
    """

    def __init__(
        self,
        *,
        tls_for: Callable[[str], ssl.SSLContext] | None = None,
        ca_pem: bytes = _KEYLESS_CA,
        enroll_key: str | None = None,
        orchestrator_port: int = 0,
    ) -> None:
        self.calls: list[Call] = []
        self.registrations: list[Mapping[str, Any]] = []
        self.tls_for = tls_for
        self.ca_pem = ca_pem
        self.enroll_key = enroll_key
        self.refuse_turns: str | None = None  # a reason: no turns are given
        self._answers: list[_Answer] = []
        self._credentials: dict[str, str] = {}  # credential -> agent id
        self._turns = 0
        self._lock = threading.Lock()
        self._orchestrator = _Server(_Orchestrator, self, orchestrator_port)
        self._proxy = _Server(_Proxy, self, 0)

    def __enter__(self) -> FakePlatform:
        self._orchestrator.start()
        self._proxy.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop_proxy()
        self._orchestrator.stop()

    def stop_proxy(self) -> None:
        """Take the proxy away; the control plane stays."""
        self._proxy.stop()

    @property
    def orchestrator_url(self) -> str:
        return f"http://127.0.0.1:{self._orchestrator.port}"

    @property
    def proxy(self) -> Origin:
        return Origin("http", "127.0.0.1", self._proxy.port)

    def environment(self, agent_id: str, **more: str) -> dict[str, str]:
        """What an agent needs to find this platform; the rest of this process's environment
        without its own proxies."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in PROXY_VARIABLES and not name.startswith("AMAZE_")
        }
        ours = {
            "AMAZE_AGENT_ID": agent_id,
            "AMAZE_ORCHESTRATOR_URL": self.orchestrator_url,
            "AMAZE_PROXY_URL": self.proxy.url,
        }
        if self.enroll_key:
            ours["AMAZE_ENROLL_KEY"] = self.enroll_key
        return inherited | ours | more

    def answer(self, url: str, body: Any, *, status: int = 200) -> None:
        """Answer calls to `url` (a shell pattern) with `body` as JSON. The last match wins."""
        with self._lock:
            self._answers.insert(0, _Answer(url, status, json.dumps(body).encode()))

    def forget(self, agent_id: str) -> None:
        """Revoke the agent's credentials."""
        with self._lock:
            self._credentials = {c: a for c, a in self._credentials.items() if a != agent_id}

    def agent_of(self, credential: str) -> str | None:
        """Whose credential this is; None: nobody's."""
        return self._credentials.get(credential)

    def record(self, call: Call) -> tuple[int, bytes]:
        """Remember a call; returns status and body of its answer."""
        with self._lock:
            self.calls.append(call)
            for answer in self._answers:
                if fnmatchcase(call.url, answer.pattern):
                    return answer.status, answer.body
        return 502, json.dumps({"error": f"no answer was set for {call.url}"}).encode()

    def register(
        self, request: Mapping[str, Any], enroll_key: str | None, credential: str | None
    ) -> tuple[int, Mapping[str, Any]]:
        """The control plane's `POST /register`: nobody takes over an agent that exists."""
        agent_id = str(request.get("agent_id"))
        with self._lock:
            if credential is not None and self._credentials.get(credential) != agent_id:
                return 403, _problem("enrolment-refused", "X-Amaze-Bearer is not this agent's")
            if credential is None and self.enroll_key not in (None, enroll_key):
                return 403, _problem("enrolment-required", "X-Amaze-Enroll-Key is needed")
            taken = agent_id in self._credentials.values()
            proven = credential is not None or enroll_key is not None or not taken
            if credential is None:
                credential = f"amz_{agent_id}.{secrets.token_hex(16)}"
                self._credentials[credential] = agent_id
            self.registrations.append(request)
        return 200, {
            "agent_id": agent_id,
            "session_id": secrets.token_hex(8),
            "bearer_token": credential,
            "status": "approved" if proven else "pending",
        }

    def new_turn(self, credential: str | None) -> tuple[int, Mapping[str, Any]]:
        """The control plane's `POST /turns`."""
        if credential is None or self.agent_of(credential) is None:
            return 403, _problem("invalid-bearer", "the credential is unknown or revoked")
        if self.refuse_turns:
            return 403, _problem(self.refuse_turns, "no turn is given to this agent")
        with self._lock:
            self._turns += 1
            return 201, {"turn": f"turn-{self._turns}"}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Make `variables` the whole environment of this process inside the block."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def send(
    port: int,
    message: str,
    *,
    host: str = "127.0.0.1",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Send a user's message to an agent's chat server; returns its reply.

    Raises `AssertionError` with the agent's answer if it is not 200.
    """
    connection = HTTPConnection(host, port, timeout=60)
    try:
        body = json.dumps({"message": message})
        connection.request("POST", "/chat", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:
        raise AssertionError(f"the agent answered {response.status}: {text}")
    return json.loads(text)["reply"]


def _problem(reason: str, detail: str) -> Mapping[str, Any]:
    return {"reason": reason, "detail": detail}


class _Server(socketserver.ThreadingTCPServer):
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
    server: _Server
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


class _Orchestrator(_Handler):
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
            status, answer = 404, _problem("not-found", self.path)
        self.reply(status, json.dumps(answer).encode())


class _Proxy(_Handler):
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
            handler = _Proxy.__new__(_Proxy)
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
