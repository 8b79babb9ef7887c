"""An authority has one spelling: what is dialled reads as itself, and is a host and a port."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from amaze_proxy.wire.authority import AuthorityError, parse_authority
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import parse_request_head
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.targets import outer_target

_LIMITS = Limits()


def check(data: bytes) -> None:
    _check_authority(data)
    _check_target(data)


def _check_authority(data: bytes) -> None:
    try:
        authority = parse_authority(data, "http", 80)
    except AuthorityError:
        return
    assert parse_authority(authority.netloc, "http", 80) == authority
    url = urlsplit(f"http://{authority.netloc}/")
    assert (url.hostname, url.port or 80) == (authority.host, authority.port)
    assert url.username is None
    if authority.host[-1:].isdigit() and "." in authority.host:
        last = authority.host.rpartition(".")[2]
        if last.isdigit():  # what a lenient resolver takes for a number is one
            ipaddress.IPv4Address(authority.host)


def _check_target(data: bytes) -> None:
    try:
        head = parse_request_head(b"GET %b HTTP/1.0\r\n\r\n" % data, _LIMITS)
        target = outer_target(head)
    except Malformed:
        return
    assert target.path.startswith(b"/")
    assert b"#" not in target.path
    if target.authority is not None:
        url = urlsplit(head.target.decode("ascii"))
        assert url.scheme == "http"
        assert url.username is None
        assert (url.port or 80) == target.authority.port
        assert head.target.endswith(target.path.removeprefix(b"/"))
