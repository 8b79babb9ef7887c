"""The authority of a request: which host and port will be dialled, in one canonical form.

Two spellings of one host must not be two hosts to a policy, so nothing that resolvers read
leniently (`0x7f.1`, `2130706433`, zone ids, user info) passes here.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

DEFAULT_PORTS = {"http": 80, "https": 443}

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^\[\]:@/?#\\%]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# The WHATWG "ends in a number" rule: what a lenient resolver would read as an IPv4 address.
_NUMBER = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")


class AuthorityError(ValueError):
    """The text is not an authority that can be decided on and dialled."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Scheme, host and port. `host` is lower case, an A-label or a canonical IP literal (IPv6
    without brackets), without a trailing dot."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """What belongs in a Host header: brackets round IPv6, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


@lru_cache(maxsize=4096)
def parse_authority(text: bytes | str, scheme: str, default_port: int | None) -> Authority:
    """The authority that `text` (`host`, `host:port`, `[v6]:port`) names.

    `default_port` None: the port must be there (CONNECT, RFC 9112 §3.2.3). Raises AuthorityError.
    """
    try:
        decoded = text.decode("ascii") if isinstance(text, bytes) else text
    except UnicodeDecodeError:
        raise AuthorityError("the authority is not ASCII") from None
    match = _HOST_PORT.fullmatch(decoded)
    if match is None:
        raise AuthorityError("the authority is not host[:port]")
    host, port_text = match.groups()
    if port_text is None and default_port is None:
        raise AuthorityError("the authority has no port")
    port = int(port_text) if port_text is not None else (default_port or 0)
    if not 1 <= port <= 65535:
        raise AuthorityError("the port is not between 1 and 65535")
    return Authority(scheme, _host(host), port)


def _host(text: str) -> str:
    if text.startswith("["):
        return _ip6(text[1:-1])
    name = _ascii_name(text).removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise AuthorityError("the host is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        return _ip4(name)
    return name


def _ascii_name(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise AuthorityError("the host is not a valid internationalised name") from None


def _ip4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise AuthorityError("the host is an odd spelling of an IPv4 address") from None


def _ip6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise AuthorityError("the host is not an IPv6 address") from None
