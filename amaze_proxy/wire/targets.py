"""The request target and Host: which authority a request is for, decided once. Pure.

RFC 9112 §3.2: absolute-form on the proxy port, authority-form for CONNECT, origin-form for our
own endpoints and inside a tunnel. Host must agree with the target, so that nothing is decided on
one host and dialled at another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from amaze_proxy.wire.authority import DEFAULT_PORTS, Authority, AuthorityError, parse_authority
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import RequestHead
from amaze_proxy.wire.ingress import FaultKind

_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)", re.DOTALL)


class Misdirected(Malformed):
    """The request names two authorities; `authority` is the one that would be dialled."""

    def __init__(self, detail: str, authority: Authority) -> None:
        super().__init__(detail, FaultKind.AUTHORITY_MISMATCH)
        self.authority = authority


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request outside a tunnel goes. `path` is origin-form, query included."""

    authority: Authority | None
    path: bytes


def connect_target(head: RequestHead) -> Authority:
    """The authority that a CONNECT names (scheme https until the first bytes say otherwise).

    Raises Malformed. Host may be missing: requests and urllib on Python <= 3.11 send none.
    """
    authority = _parse(head.target, "https", None)
    if head.host is not None:
        # The port may be missing here: the request target has it.
        _agree(head.host, authority, authority.port)
    return authority


def outer_target(head: RequestHead) -> Target:
    """The target of a request that came on the proxy port itself. Raises Malformed."""
    target = head.target
    if b"#" in target:
        raise Malformed("a fragment in the request target")
    if target.startswith(b"/") or (target == b"*" and head.method == "OPTIONS"):
        if head.host is not None:
            _parse(head.host, "http", 80)
        return Target(None, target)
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise Malformed("the request target is neither a path nor an http:// URL")
    scheme, netloc, path = match.groups()
    if scheme.lower() == b"https":
        raise Malformed("an https:// URL as request target: use CONNECT")
    if scheme.lower() != b"http":
        raise Malformed("the request target is not an http:// URL")
    authority = _parse(netloc, "http", 80)
    if head.host is not None:
        _agree(head.host, authority, 80)
    return Target(authority, _origin_form(head.method, path))


def check_tunnelled(head: RequestHead, authority: Authority) -> None:
    """Whether a request inside the tunnel to `authority` is for that. Raises Malformed."""
    target = head.target
    if head.method == "CONNECT":
        raise Malformed("a CONNECT inside a tunnel", FaultKind.UNSUPPORTED_METHOD)
    if not target.startswith(b"/") and not (target == b"*" and head.method == "OPTIONS"):
        raise Malformed("the request target inside a tunnel is not a path")
    if b"#" in target:
        raise Malformed("a fragment in the request target")
    if head.host is None:
        raise Malformed("a request inside a tunnel without Host")
    _agree(head.host, authority, DEFAULT_PORTS[authority.scheme])


def names_us(via: bytes, pseudonym: bytes) -> bool:
    """Whether a Via field lists us: the request has been here before (RFC 9110 §7.6.3)."""
    for entry in via.split(b","):
        words = entry.split()
        if len(words) > 1 and words[1].lower() == pseudonym.lower():
            return True
    return False


def _origin_form(method: str, path: bytes) -> bytes:
    if path.startswith(b"/"):
        return path
    # RFC 9112 §3.2.4: OPTIONS for a URL without a path asks about the server.
    return b"*" if method == "OPTIONS" and not path else b"/" + path


def _agree(host: bytes, authority: Authority, default_port: int) -> None:
    named = _parse(host, authority.scheme, default_port)
    if named != authority:
        raise Misdirected(
            f"Host says {named.netloc}, the connection is for {authority.netloc}", authority
        )


def _parse(text: bytes, scheme: str, default_port: int | None) -> Authority:
    try:
        return parse_authority(text, scheme, default_port)
    except AuthorityError as error:
        raise Malformed(str(error)) from None
