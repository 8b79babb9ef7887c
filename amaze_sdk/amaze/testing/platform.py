"""The fake platform: what it knows, gives and records."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from amaze.a2a.card import address
from amaze.environment import PROXY_VARIABLES
from amaze.settings import Origin
from amaze.testing import a2a
from amaze.testing.servers import Call, Orchestrator, Proxy, Server, problem

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
class _Answer:
    """What calls to an URL get: `body` as JSON, or what it makes of the call."""

    pattern: str
    status: int
    body: Any


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
        self._orchestrator = Server(Orchestrator, self, orchestrator_port)
        self._proxy = Server(Proxy, self, 0)

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
            self._answers.insert(0, _Answer(url, status, body))

    def answer_message(self, target: str, reply: Any) -> None:
        """Answer messages to the agent `target` with `reply`, a text or any JSON value."""
        self.answer(address(target), lambda call: a2a.answered(call.json(), reply))

    def refuse_message(self, target: str, reason: str, message: str = "refused by policy") -> None:
        """Refuse messages to the agent `target`, as the proxy does."""
        self.answer(address(target), lambda call: a2a.refused(call.json(), reason, message))

    def send_as_agent(self, caller: str, message: Any, *, to: str | None = None) -> Any:
        """Bring a message of the agent `caller` to an agent, signed as by the proxy.

        Returns the reply. `to`: which agent; None: the one that registered last. Each message has
        a turn of its own. Raises `amaze.SendError` if the agent refuses it or fails.
        """
        endpoint = self._endpoint_of(to)
        callee = str(endpoint["agent_id"])
        with self._lock:
            credentials = [c for c, agent_id in self._credentials.items() if agent_id == callee]
        turn = self._next_turn()
        hop = a2a.hop_headers(credentials, caller, callee, turn)
        return a2a.deliver(str(endpoint["a2a_host"]), int(endpoint["a2a_port"]), hop, message)

    def _endpoint_of(self, agent_id: str | None) -> Mapping[str, Any]:
        registration: Mapping[str, Any]
        for registration in reversed(self.registrations):
            if registration.get("a2a_port") and agent_id in (None, registration["agent_id"]):
                return registration
        raise LookupError(
            "no such agent takes messages of agents: it has no receive_message_from_agent"
        )

    def _next_turn(self) -> str:
        with self._lock:
            self._turns += 1
            return f"turn-{self._turns}"

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
            answer = self._answer_for(call.url)
        body = answer.body(call) if callable(answer.body) else answer.body
        return answer.status, json.dumps(body).encode()

    def _answer_for(self, url: str) -> _Answer:
        for answer in self._answers:
            if fnmatchcase(url, answer.pattern):
                return answer
        return _Answer(url, 502, {"error": f"no answer was set for {url}"})

    def register(
        self, request: Mapping[str, Any], enroll_key: str | None, credential: str | None
    ) -> tuple[int, Mapping[str, Any]]:
        """The control plane's `POST /register`: nobody takes over an agent that exists."""
        agent_id = str(request.get("agent_id"))
        with self._lock:
            if credential is not None and self._credentials.get(credential) != agent_id:
                return 403, problem("enrolment-refused", "X-Amaze-Bearer is not this agent's")
            if credential is None and self.enroll_key not in (None, enroll_key):
                return 403, problem("enrolment-required", "X-Amaze-Enroll-Key is needed")
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
            return 403, problem("invalid-bearer", "the credential is unknown or revoked")
        if self.refuse_turns:
            return 403, problem(self.refuse_turns, "no turn is given to this agent")
        return 201, {"turn": self._next_turn()}
