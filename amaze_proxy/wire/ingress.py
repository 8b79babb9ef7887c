"""What the wire tells the pipeline: where a request came in, what was wrong, what to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from amaze_proxy.wire.authority import Authority


@dataclass(frozen=True, slots=True)
class Ingress:
    """How a request reached us; in `scope["extensions"]["amaze"]`.

    `authority` is what will be dialled (None for origin-form: our own endpoints).
    `proxy_authorization` is that of this request (absolute-form) or of the CONNECT (tunnel).
    `tunnel_id` is '' outside a tunnel; `peer` is `ip:port` of the client.
    """

    form: Literal["absolute", "tunnel", "origin"]
    authority: Authority | None
    proxy_authorization: bytes | None = field(repr=False)  # a log line must not have it
    tunnel_id: str
    peer: str


class FaultKind(StrEnum):
    """Why the wire refuses a request before, or instead of, the application."""

    MALFORMED = "malformed"
    AUTHORITY_MISMATCH = "authority-mismatch"
    TOO_LARGE = "too-large"
    HEADERS_TOO_LARGE = "headers-too-large"
    URI_TOO_LONG = "uri-too-long"
    TIMEOUT = "timeout"
    NOT_HTTP = "not-http"
    TLS = "tls"
    UNSUPPORTED_METHOD = "unsupported-method"

    @property
    def status(self) -> int:
        """The HTTP status that says so."""
        return _STATUS.get(self, 400)


_STATUS = {
    FaultKind.TOO_LARGE: 413,
    FaultKind.HEADERS_TOO_LARGE: 431,
    FaultKind.URI_TOO_LONG: 414,
    FaultKind.TIMEOUT: 408,
    FaultKind.UNSUPPORTED_METHOD: 405,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One refused input, for the record. `head` is at most 2 KiB, credentials removed."""

    kind: FaultKind
    detail: str
    status: int
    authority: Authority | None
    proxy_authorization: bytes | None = field(repr=False)  # a log line must not have it
    peer: str
    head: bytes


class BodyFault(Exception):
    """Raised by `receive()` when the request's body is broken, too large or too slow.

    An application that lets it pass before it has answered gets the fault recorded and answered
    through its gatekeeper; one that catches it answers for itself.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class ClientDisconnected(OSError):
    """Raised by `send()` once the client is gone."""


class AnswerCut(Exception):
    """Raised by an application that cuts its answer on purpose, and has noted why: no failure."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; the wire adds the framing and connection fields."""

    status: int
    reason_phrase: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Gatekeeper(Protocol):
    """What the wire asks of the pipeline outside an ordinary request."""

    async def connect(
        self, authority: Authority, proxy_authorization: bytes | None, peer: str
    ) -> Answer | None:
        """None: open the tunnel (200). An Answer refuses the CONNECT."""
        ...

    async def fault(self, fault: Fault) -> Answer:
        """Record the fault and say what to answer, where an answer can still be carried."""
        ...
