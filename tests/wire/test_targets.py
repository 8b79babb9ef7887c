from __future__ import annotations

import pytest

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import RequestHead, parse_request_head
from amaze_proxy.wire.ingress import FaultKind
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.targets import (
    Target,
    check_tunnelled,
    connect_target,
    names_us,
    outer_target,
)

A = Authority("http", "a.example", 80)
TLS = Authority("https", "a.example", 443)


def head(line: bytes, host: bytes | None = b"a.example") -> RequestHead:
    version = b"1.0" if host is None else b"1.1"
    field = b"" if host is None else b"Host: %b\r\n" % host
    return parse_request_head(b"%b HTTP/%b\r\n%b\r\n" % (line, version, field), Limits())


@pytest.mark.parametrize(
    ("line", "host", "target"),
    [
        (b"GET http://a.example/x?y", b"a.example", Target(A, b"/x?y")),
        (b"GET http://a.example/x", b"A.EXAMPLE.:80", Target(A, b"/x")),
        (b"GET HTTP://A.example:80", b"a.example", Target(A, b"/")),
        (b"GET http://a.example?q=/", b"a.example", Target(A, b"/?q=/")),
        (b"GET http://a.example//b", b"a.example", Target(A, b"//b")),
        (b"OPTIONS http://a.example", b"a.example", Target(A, b"*")),
        (b"GET http://a.example/", None, Target(A, b"/")),
        (
            b"GET http://[::1]:81/",
            b"[0::1]:81",
            Target(Authority("http", "::1", 81), b"/"),
        ),
        (b"GET /health", b"anything:8080", Target(None, b"/health")),
        (b"OPTIONS *", b"a.example", Target(None, b"*")),
    ],
)
def test_outer(line: bytes, host: bytes | None, target: Target) -> None:
    assert outer_target(head(line, host)) == target


@pytest.mark.parametrize(
    ("line", "host", "kind"),
    [
        (b"GET http://a.example/", b"b.example", FaultKind.AUTHORITY_MISMATCH),
        (b"GET http://a.example/", b"a.example:81", FaultKind.AUTHORITY_MISMATCH),
        (b"GET http://a.example:81/", b"a.example", FaultKind.AUTHORITY_MISMATCH),
        (b"GET http://a.example/", b"", FaultKind.MALFORMED),
        (b"GET http://a.example/", b"a.example, b.example", FaultKind.MALFORMED),
        (b"GET https://a.example/", b"a.example", FaultKind.MALFORMED),
        (b"GET ftp://a.example/", b"a.example", FaultKind.MALFORMED),
        (b"GET http://u:p@a.example/", b"a.example", FaultKind.MALFORMED),
        (b"GET http:///x", b"a.example", FaultKind.MALFORMED),
        (b"GET http://a.example/#f", b"a.example", FaultKind.MALFORMED),
        (b"GET http://127.1/", b"127.1", FaultKind.MALFORMED),
        (b"GET a.example", b"a.example", FaultKind.MALFORMED),
        (b"GET *", b"a.example", FaultKind.MALFORMED),
        (b"GET /x", b"a@b", FaultKind.MALFORMED),
    ],
)
def test_outer_refused(line: bytes, host: bytes, kind: FaultKind) -> None:
    with pytest.raises(Malformed) as caught:
        outer_target(head(line, host))
    assert caught.value.kind is kind


def test_connect() -> None:
    assert connect_target(head(b"CONNECT a.example:443", None)) == TLS
    assert connect_target(head(b"CONNECT a.example:443", b"a.example")) == TLS
    assert connect_target(head(b"CONNECT A.example.:443", b"a.example:443")) == TLS


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"CONNECT a.example", b"a.example"),
        (b"CONNECT a.example:0", b"a.example"),
        (b"CONNECT https://a.example:443", b"a.example"),
        (b"CONNECT /", b"a.example"),
        (b"CONNECT a.example:443", b"b.example:443"),
        (b"CONNECT a.example:443", b"a.example:444"),
    ],
)
def test_connect_refused(line: bytes, host: bytes) -> None:
    with pytest.raises(Malformed):
        connect_target(head(line, host))


@pytest.mark.parametrize("host", [b"a.example", b"A.example", b"a.example.", b"a.example:443"])
def test_tunnelled(host: bytes) -> None:
    check_tunnelled(head(b"GET /x", host), TLS)
    check_tunnelled(head(b"OPTIONS *", host), TLS)


@pytest.mark.parametrize(
    ("line", "host", "kind"),
    [
        (b"GET /", b"b.example", FaultKind.AUTHORITY_MISMATCH),
        (b"GET /", b"a.example:444", FaultKind.AUTHORITY_MISMATCH),
        (b"GET /", b"a.example:80", FaultKind.AUTHORITY_MISMATCH),
        (b"GET /", b"sub.a.example", FaultKind.AUTHORITY_MISMATCH),
        (b"GET /", None, FaultKind.MALFORMED),
        (b"GET https://a.example/", b"a.example", FaultKind.MALFORMED),
        (b"GET *", b"a.example", FaultKind.MALFORMED),
        (b"GET /#x", b"a.example", FaultKind.MALFORMED),
        (b"CONNECT /", b"a.example", FaultKind.UNSUPPORTED_METHOD),
        (b"CONNECT b.example:443", b"a.example", FaultKind.UNSUPPORTED_METHOD),
    ],
)
def test_tunnelled_refused(line: bytes, host: bytes | None, kind: FaultKind) -> None:
    with pytest.raises(Malformed) as caught:
        check_tunnelled(head(line, host), TLS)
    assert caught.value.kind is kind


def test_via_loop() -> None:
    assert names_us(b"1.1 other, 1.1 Amaze (x)", b"amaze")
    assert not names_us(b"1.1 other, 1.0 amazed", b"amaze")
    assert not names_us(b"", b"amaze")
