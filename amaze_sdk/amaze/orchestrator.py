"""The control plane as the SDK sees it: a few direct HTTP calls, never through a proxy."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amaze.settings import Origin

MAX_ANSWER = 1 << 20  # bytes; nothing the control plane tells an agent is larger
_REASON = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Unreachable(Exception):
    """No answer could be had; the text is the cause."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. The body may hold a credential, so it is not shown."""

    status: int
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def fields(self) -> Mapping[str, Any]:
        """The JSON object in the body; empty if it holds none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    def text(self, name: str) -> str:
        """A string member of the JSON object, or ''."""
        value = self.fields().get(name)
        return value if isinstance(value, str) else ""

    @property
    def reason(self) -> str:
        """The control plane's word for a refusal, such as `agent-quarantined`, or ''."""
        word = self.text("reason") or self.text("code")
        return word if _REASON.fullmatch(word) else ""

    @property
    def explanation(self) -> str:
        """Why a call was refused, in words. Problem details say it in `detail` (RFC 9457 §3.1)."""
        words = self.text("detail") or self.text("message") or self.text("title") or self.reason
        return words[:500] or f"HTTP {self.status}"


def call(
    origin: Origin,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    timeout: float = 10.0,
    most: int = MAX_ANSWER,
) -> Answer:
    """One request straight to `origin`: no proxy, no redirects (they could carry a credential off).

    `timeout` is seconds for each step on the wire, `most` bytes of the answer. Raises
    `Unreachable`; its cause is a TimeoutError where the time was up.
    """
    connection = _connect(origin, timeout)
    payload = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
    if payload is not None:
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body=payload, headers=sent)
        response = connection.getresponse()
        received = response.read(most + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if len(received) > most:
        raise Unreachable(f"the answer is too large: more than {most} bytes")
    return Answer(response.status, received)


def _connect(origin: Origin, timeout: float) -> http.client.HTTPConnection:
    if origin.scheme == "https":
        return http.client.HTTPSConnection(
            origin.host, origin.port, timeout=timeout, context=ssl.create_default_context()
        )
    return http.client.HTTPConnection(origin.host, origin.port, timeout=timeout)
