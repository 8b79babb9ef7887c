"""Which IP addresses may be dialled: the check on the address itself, after the name is resolved.

A name that an agent chose can resolve to anything, so what counts is the address that the socket
is connected to (server-side request forgery, DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Listener = tuple[str, int]

# Registered servers may be here; nobody else's target may.
_PRIVATE = {
    "10.0.0.0/8": "private (RFC 1918)",
    "172.16.0.0/12": "private (RFC 1918)",
    "192.168.0.0/16": "private (RFC 1918)",
    "127.0.0.0/8": "loopback",
    "100.64.0.0/10": "shared (carrier-grade NAT)",
    "192.0.0.0/24": "special-purpose",
    "192.0.2.0/24": "documentation",
    "198.18.0.0/15": "benchmarking",
    "198.51.100.0/24": "documentation",
    "203.0.113.0/24": "documentation",
    "::1/128": "loopback",
    "2001::/23": "special-purpose",
    "fc00::/7": "unique local",
    "fec0::/10": "site-local",
    "2001:db8::/32": "documentation",
}
# Nobody's target, ever: no server of anybody's can be registered there.
_NEVER = {
    "100.100.100.200/32": "cloud metadata",
    "169.254.0.0/16": "link-local (cloud metadata)",
    "fd00:ec2::254/128": "cloud metadata",
    "fe80::/10": "link-local",
    "0.0.0.0/8": "unspecified",
    "::/128": "unspecified",
    "224.0.0.0/4": "multicast",
    "ff00::/8": "multicast",
    "240.0.0.0/4": "reserved",
}
_Networks = list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str]]
_PRIVATE_NETWORKS: _Networks = [(ipaddress.ip_network(n), w) for n, w in _PRIVATE.items()]
_NEVER_NETWORKS: _Networks = [(ipaddress.ip_network(n), w) for n, w in _NEVER.items()]
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Prefixes whose last 32 bits are an IPv4 address.
_EMBEDDING = [ipaddress.IPv6Network(n) for n in ("::/96", "64:ff9b::/96", "64:ff9b:1::/96")]


def parse_ip(text: str) -> Ip:
    """The address, a zone id dropped. Raises ValueError."""
    return ipaddress.ip_address(text.partition("%")[0])


def refusal(ip: Ip, *, allow_private: bool) -> str:
    """Why `ip` must not be dialled; '' when it may be."""
    if word := _find(ip, _NEVER_NETWORKS):
        return f"{ip} is {word}"
    inner = embedded(ip)
    if inner is not None:
        if word := _find(inner, _NEVER_NETWORKS):
            return f"{ip} embeds {inner}, which is {word}"
        return "" if allow_private else f"{ip} embeds an IPv4 address"
    if allow_private:
        return ""
    if word := _find(ip, _PRIVATE_NETWORKS):
        return f"{ip} is {word}"
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        return f"{ip} is not a global unicast address"
    return ""


def embedded(ip: Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for (mapped, compatible, NAT64, 6to4,
    Teredo); None for any other."""
    if ip.version == 4 or ip == ipaddress.IPv6Address("::1"):
        return None
    inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
    if inner is None and any(ip in network for network in _EMBEDDING):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner


def is_own(ip: Ip, port: int, listeners: Iterable[Listener]) -> bool:
    """Whether dialling `ip`:`port` would reach one of `listeners` (address, port).

    A listener on the unspecified address is reached by every address of this machine.
    """
    at_port = [parse_ip(host) for host, listening in listeners if listening == port]
    if not at_port:
        return False
    dialled = embedded(ip) or ip
    for listener in at_port:
        if listener == dialled or (listener.is_unspecified and _is_local(dialled)):
            return True
    return False


def _is_local(ip: Ip) -> bool:
    """Whether `ip` is an address of this machine: the kernel then picks it as the source, too."""
    if ip.is_loopback:
        return True
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(ip), 9))  # a datagram socket sends nothing here
        except OSError:
            return False
        return parse_ip(probe.getsockname()[0]) == ip


def _find(ip: Ip, networks: _Networks) -> str:
    return next((word for network, word in networks if ip in network), "")
