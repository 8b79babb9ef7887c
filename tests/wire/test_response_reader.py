from __future__ import annotations

import pytest

from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.response_reader import ResponseReader

BODY = b"hello"
RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    "after 1xx": b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("name", RESPONSES)
def test_cut_anywhere(name: str) -> None:
    wire = RESPONSES[name]
    for cut in range(1, len(wire)):
        reader = ResponseReader("GET")
        body = reader.feed(wire[:cut])
        assert not reader.done, cut
        body += reader.feed(wire[cut:])
        assert (body, reader.done, reader.reusable) == (BODY, True, True)
        assert reader.head is not None
        assert reader.head.status == 200


@pytest.mark.parametrize("name", RESPONSES)
def test_every_early_end_is_broken(name: str) -> None:
    wire = RESPONSES[name]
    for cut in range(len(wire)):
        reader = ResponseReader("GET")
        reader.feed(wire[:cut])
        with pytest.raises(Malformed):
            reader.end(in_order=True)


def test_until_close() -> None:
    reader = ResponseReader("GET")
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nhel") + reader.feed(b"lo") == BODY
    with pytest.raises(Malformed):
        reader.end(in_order=False)
    reader.end(in_order=True)
    assert reader.done
    assert not reader.reusable


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_no_body(method: str, status: int) -> None:
    reader = ResponseReader(method)
    assert reader.feed(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status) == b""
    assert reader.reusable


def test_bytes_after_the_response_spoil_the_connection() -> None:
    reader = ResponseReader("GET")
    assert reader.feed(RESPONSES["length"] + b"HTTP/1.1 200 OK\r\n") == BODY
    assert reader.done
    assert not reader.reusable


def test_connection_close_is_honoured() -> None:
    reader = ResponseReader("GET")
    reader.feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert reader.done
    assert not reader.reusable


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 C\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_refused(wire: bytes) -> None:
    with pytest.raises(Malformed):
        ResponseReader("GET").feed(wire)
