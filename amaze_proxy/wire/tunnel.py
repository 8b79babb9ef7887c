"""What is inside a CONNECT tunnel: told from its first bytes, and from the TLS handshake. Pure."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import Enum, auto

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import Ingress

_UNTRUSTED = {"UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE"}


@dataclass(slots=True)
class Tunnel:
    """An open tunnel. `ingress` is shared by all its requests."""

    ingress: Ingress
    authority: Authority


class Inside(Enum):
    """What the first bytes of a tunnel are."""

    UNDECIDED = auto()
    TLS = auto()
    PLAIN = auto()  # perhaps HTTP: the head reader has the last word
    OTHER = auto()


def sniff(first: bytes) -> Inside:
    """What a tunnel whose content starts with `first` carries."""
    if first[:1] == b"\x16":  # a TLS handshake record, of any version 3.x (RFC 8446 §5.1)
        if len(first) == 1:
            return Inside.UNDECIDED
        return Inside.TLS if first[1] == 3 else Inside.OTHER
    if not first:
        return Inside.UNDECIDED
    return Inside.PLAIN if first[:1].isalpha() and first[:1].isupper() else Inside.OTHER


def name_mismatch(requested: str | None, host: str) -> str:
    """What is wrong with the SNI for a tunnel to `host`; '' when it agrees, or there is none
    (a client that sends none is held to its Host field alone)."""
    if requested is None or requested.lower().removesuffix(".") == host:
        return ""
    return f"the TLS server name is {requested[:253]!r}, the tunnel is for {host}"


def handshake_failure(error: ssl.SSLError | None) -> str:
    """Why a client's handshake failed; None: it closed the connection in the middle of it."""
    advice = "install the proxy's ca.pem in the client's trust store (or the client pins keys)"
    if error is None:
        return (
            "the client closed the connection during the TLS handshake: if it does not trust the "
            f"CA, {advice}"
        )
    reason = error.reason or "unknown error"
    if any(reason.endswith(alert) for alert in _UNTRUSTED):
        return f"the client does not trust the proxy's CA ({reason}): {advice}"
    return f"the TLS handshake failed: {reason}"
