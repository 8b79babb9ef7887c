from __future__ import annotations

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.http1 import (
    HeadReader,
    RequestHead,
    parse_request_head,
    parse_response_head,
)
from amaze_proxy.wire.ingress import FaultKind
from amaze_proxy.wire.limits import Limits

LIMITS = Limits()
GOOD = (
    b"POST http://api.example/v1?x=1 HTTP/1.1\r\nHost: api.example\r\n"
    b"Proxy-Authorization: Basic abc\r\nX-Amaze-Bearer: t\r\nContent-Length: 5\r\n\r\n"
)


def parse(head: bytes) -> RequestHead:
    return parse_request_head(head, LIMITS)


def refused(wire: bytes, limits: Limits = LIMITS) -> FaultKind | None:
    """The kind of fault that the bytes meet, read as a client's; None when they pass."""
    reader = HeadReader(limits)
    reader.feed(wire)
    try:
        head = reader.next_head()
        assert head is not None
        parse_request_head(head, limits)
    except Malformed as error:
        return error.kind
    return None


def test_a_request() -> None:
    head = parse(GOOD)
    assert (head.method, head.target, head.version) == ("POST", b"http://api.example/v1?x=1", 1)
    assert head.host == b"api.example"
    assert head.proxy_authorization == b"Basic abc"
    assert head.headers == [
        (b"host", b"api.example"),
        (b"x-amaze-bearer", b"t"),
        (b"content-length", b"5"),
    ]
    assert (head.content_length, head.chunked, head.keep_alive) == (5, False, True)


def test_cut_anywhere_reads_the_same() -> None:
    wire = b"\r\n" + GOOD
    for cut in range(1, len(wire)):
        reader = HeadReader(LIMITS)
        reader.feed(wire[:cut])
        assert reader.next_head() is None, cut
        reader.feed(wire[cut:])
        head = reader.next_head()
        assert head == GOOD
        assert reader.buffered == b""


def test_byte_by_byte_and_what_follows_stays() -> None:
    reader = HeadReader(LIMITS)
    for at in range(len(GOOD) - 1):
        reader.feed(GOOD[at : at + 1])
        assert reader.next_head() is None
    reader.feed(GOOD[-1:] + b"hello")
    assert reader.next_head() == GOOD
    assert reader.take_rest() == b"hello"


BAD = {
    "CL and TE": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
    "identical CLs": b"Content-Length: 3\r\nContent-Length: 3\r\n",
    "CL list": b"Content-Length: 3, 3\r\n",
    "different CLs": b"Content-Length: 3\r\nContent-Length: 4\r\n",
    "signed CL": b"Content-Length: +3\r\n",
    "huge CL": b"Content-Length: 99999999999999999999\r\n",
    "TE xchunked": b"Transfer-Encoding: xchunked\r\n",
    "TE identity": b"Transfer-Encoding: identity\r\n",
    "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "TE gzip": b"Transfer-Encoding: gzip, chunked\r\n",
    "obs-fold": b"X-A: 1\r\n 2\r\n",
    "bare LF in the fields": b"X-A: 1\nX-B: 2\r\n",
    "bare CR": b"X-A: 1\rX-B: 2\r\n",
    "NUL": b"X-A: \x00\r\n",
    "space before colon": b"X-A : 1\r\n",
    "obs-text": b"X-A: \xff\r\n",
    "non-ASCII name": b"X-\xe4: 1\r\n",
    "second Host": b"Host: b.example\r\n",
    "Connection names authorization": b"Connection: authorization\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "other Expect": b"Expect: 200-maybe\r\n",
    "second Content-Type": b"Content-Type: a/b\r\nContent-Type: a/c\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_ambiguous_heads_are_refused(name: str) -> None:
    wire = b"POST / HTTP/1.1\r\nHost: a.example\r\n%b\r\n" % BAD[name]
    assert refused(wire) is FaultKind.MALFORMED


LINES = {
    b"POST /a b HTTP/1.1": FaultKind.MALFORMED,
    b"POST /\xff HTTP/1.1": FaultKind.MALFORMED,
    b"POST /\x00 HTTP/1.1": FaultKind.MALFORMED,
    b"POST  / HTTP/1.1": FaultKind.MALFORMED,
    b"POST / HTTP/1.1 ": FaultKind.MALFORMED,
    b"POST / HTTP/1.2": FaultKind.MALFORMED,
    b"POST / HTTP/2.0": FaultKind.MALFORMED,
    b"POST / http/1.1": FaultKind.NOT_HTTP,
    b"POST /": FaultKind.NOT_HTTP,
    b"PRI * HTTP/2.0": FaultKind.NOT_HTTP,
    b"TRACE / HTTP/1.1": FaultKind.UNSUPPORTED_METHOD,
    b"post / HTTP/1.1": FaultKind.UNSUPPORTED_METHOD,
    b"BREW / HTTP/1.1": FaultKind.UNSUPPORTED_METHOD,
}


@pytest.mark.parametrize("line", LINES)
def test_request_lines(line: bytes) -> None:
    assert refused(line + b"\r\nHost: a.example\r\n\r\n") is LINES[line]


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"EHLO mail.example\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\x00\x00",
        b"GET /\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"x" * 70,
    ],
)
def test_what_is_not_http_is_known_at_once(wire: bytes) -> None:
    reader = HeadReader(LIMITS)
    reader.feed(wire)
    with pytest.raises(Malformed) as caught:
        reader.next_head()
    assert caught.value.kind is FaultKind.NOT_HTTP


def test_a_head_of_bare_lf_does_not_wait_for_its_end() -> None:
    assert refused(b"GET / HTTP/1.1\nHost: a.example\n\n") is FaultKind.MALFORMED
    assert refused(b"GET / HTTP/1.1\r\nHost: a.example\n\n") is FaultKind.MALFORMED


def test_host_is_needed_in_1_1_alone() -> None:
    assert refused(b"GET / HTTP/1.1\r\n\r\n") is FaultKind.MALFORMED
    assert refused(b"GET / HTTP/1.0\r\n\r\n") is None
    assert refused(b"CONNECT a.example:443 HTTP/1.0\r\n\r\n") is None
    assert refused(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") is FaultKind.MALFORMED


@pytest.mark.parametrize("field", [b"Content-Length: 0", b"Transfer-Encoding: chunked"])
def test_connect_has_no_body(field: bytes) -> None:
    wire = b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n%b\r\n\r\n" % field
    assert refused(wire) is FaultKind.MALFORMED


def test_h2c_is_ignored() -> None:
    head = parse(
        b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    )
    assert head.headers == [(b"host", b"a.example")]


SMALL = Limits(request_line_bytes=100, head_bytes=200, header_count=4)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_limits_hold_while_waiting_and_in_one_read(end: bytes) -> None:
    line = b"GET /%b HTTP/1.1\r\nHost: a.example" % (b"a" * 100)
    fields = b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: %b" % (b"a" * 200)
    assert refused(b"GET /" + b"a" * 200 + end, SMALL) is FaultKind.URI_TOO_LONG
    assert refused(fields + end, SMALL) is FaultKind.HEADERS_TOO_LARGE
    assert refused(line + b"\r\n\r\n", SMALL) is FaultKind.URI_TOO_LONG


def test_too_many_fields() -> None:
    many = b"GET / HTTP/1.1\r\nHost: a.example" + b"\r\na: 1" * 4 + b"\r\n\r\n"
    assert refused(many, SMALL) is FaultKind.HEADERS_TOO_LARGE


def h11_request(head: bytes) -> h11.Request | None:
    """What h11 makes of a head; None when it refuses it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


PIECES = st.sampled_from(
    [
        b"GET", b"POST", b" ", b"/", b"/x?y", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r",
        b"Host: a.example", b"Host:", b"Content-Length: 3", b"Content-Length: 3, 3", b"\t", b":",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"X: 1", b"\x00", b"\xff",
        b"Connection: close", b"Connection: x", b"Expect: 100-continue", b"Upgrade: h2c", b"a",
        b"http://a.example/", b",", b";", b"Proxy-Authorization: x", b"\x0b", b"\x7f",
    ]
)  # fmt: skip


@settings(max_examples=400)
@given(
    st.sampled_from([b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST /x HTTP/1.0\r\n", b""]),
    st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=60),
)
@example(b"", b"GET / HTTP/1.1\nHost: a\n")
def test_what_passes_means_the_same_to_h11(start: bytes, rest: bytes) -> None:
    reader = HeadReader(LIMITS)
    reader.feed(start + rest + b"\r\n\r\n")
    try:
        raw = reader.next_head()
        assert raw is not None
        head = parse(raw)
    except Malformed:
        return
    theirs = h11_request(raw)
    assert theirs is not None, raw
    assert theirs.method.decode() == head.method
    assert theirs.target == head.target
    assert theirs.http_version == (b"1.1" if head.version else b"1.0")
    assert set(head.headers) <= set(theirs.headers)
    lengths = [v for n, v in theirs.headers if n == b"content-length"]
    assert lengths == ([] if head.content_length is None else [b"%d" % head.content_length])
    assert head.chunked == any(n == b"transfer-encoding" for n, _ in theirs.headers)


def test_a_response() -> None:
    head = parse_response_head(
        b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\nKeep-Alive: x\r\n"
        b"Proxy-Authenticate: Basic\r\n\r\n",
        "GET",
        10,
    )
    assert head.status == 200
    assert head.headers == [(b"content-type", b"a/b")]
    assert (head.content_length, head.chunked, head.until_close, head.keep_alive) == (
        3,
        False,
        False,
        True,
    )


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: 1\nY: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: 1\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
    ],
)
def test_ambiguous_responses_are_refused(head: bytes) -> None:
    with pytest.raises(Malformed):
        parse_response_head(head, "GET", 10)


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 100)]
)
def test_responses_without_a_body(method: str, status: int) -> None:
    head = parse_response_head(b"HTTP/1.1 %d X\r\nContent-Length: 3\r\n\r\n" % status, method, 10)
    assert not head.until_close
    assert head.keep_alive
    assert head.content_length == 3


def test_without_length_a_response_ends_at_close() -> None:
    head = parse_response_head(b"HTTP/1.1 200\r\n\r\n", "GET", 10)
    assert head.until_close
    assert not head.keep_alive
