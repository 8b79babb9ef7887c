from __future__ import annotations

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.forwarding import declared_length, forwarded_headers, framing

TO = Authority("https", "api.example", 8443)


def test_what_goes_out() -> None:
    headers = [
        (b"Host", b"spoofed.example"),
        (b"accept", b"*/*"),
        (b"x-amaze-bearer", b"secret"),
        (b"X-Amaze-Caller", b"me"),
        (b"X_Amaze-Caller", b"me, to a WSGI server"),
        (b"proxy-authorization", b"Basic x"),
        (b"proxy-anything", b"x"),
        (b"connection", b"close"),
        (b"keep-alive", b"1"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"9"),
        (b"upgrade", b"h2c"),
        (b"expect", b"100-continue"),
        (b"via", b"1.0 first"),
        (b"authorization", b"Bearer upstream-key"),
    ]
    assert forwarded_headers(headers, TO, b"1.1 amaze") == [
        (b"host", b"api.example:8443"),
        (b"accept", b"*/*"),
        (b"via", b"1.0 first"),
        (b"authorization", b"Bearer upstream-key"),
        (b"via", b"1.1 amaze"),
    ]


def test_named_fields_are_kept() -> None:
    headers = [(b"x-amaze-caller", b"a"), (b"x-amaze-bearer", b"b"), (b"proxy-authorization", b"c")]
    kept = forwarded_headers(headers, TO, b"1.1 amaze", {b"x-amaze-caller"})
    assert kept[1:-1] == [(b"x-amaze-caller", b"a")]


def test_framing() -> None:
    assert framing("POST", 0) == [(b"content-length", b"0")]
    assert framing("GET", 0) == []
    assert framing("DELETE", 3) == [(b"content-length", b"3")]
    assert framing("PUT", None) == [(b"transfer-encoding", b"chunked")]
    assert declared_length([(b"Content-Length", b"7")]) == 7
    assert declared_length([]) is None
