from __future__ import annotations

import pytest

from amaze_proxy.wire.response import ResponseWriter
from amaze_proxy.wire.writing import UnsafeHead

JSON = [(b"Content-Type", b"application/json")]


def writer(method: str = "GET", version: int = 1, close: bool = False) -> ResponseWriter:
    return ResponseWriter(method, version, lambda: close)


def test_head_and_whole_body_are_one_piece() -> None:
    response = writer()
    response.start(200, JSON)
    response.body(b"{}", False)
    assert response.take() == (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert response.complete
    assert not response.closes


def test_a_streamed_body_is_chunked() -> None:
    response = writer()
    response.start(200, [])
    assert response.take() == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    response.body(b"0123456789abcdef", True)
    response.body(b"", True)
    assert response.take() == b"10\r\n0123456789abcdef\r\n"
    response.body(b"x", False)
    assert response.take() == b"1\r\nx\r\n0\r\n\r\n"


def test_the_applications_framing_fields_are_not_copied() -> None:
    response = writer()
    response.start(
        200,
        [(b"Connection", b"x"), (b"Transfer-Encoding", b"gzip"), (b"Content-Length", b"3")],
    )
    response.body(b"ab", True)
    response.body(b"c", False)
    assert response.take() == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"


def test_a_407_keeps_its_challenge() -> None:
    response = writer()
    response.start(407, [(b"proxy-authenticate", b"Basic")])
    response.body(b"", False)
    assert b"proxy-authenticate: Basic" in response.take()


def test_the_reason_phrase_may_be_the_applications_own() -> None:
    response = writer()
    response.start(403, [], "Refused: by\r\nX: y")
    response.body(b"", False)
    assert response.take() == b"HTTP/1.1 403 Refused: by  X: y\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("last", [b"xx", b""])
def test_a_body_must_fit_its_length(last: bytes) -> None:
    response = writer()
    response.start(200, [(b"content-length", b"3")])
    response.body(b"xx", True)
    with pytest.raises(RuntimeError):
        response.body(last, False)
    assert not response.complete


@pytest.mark.parametrize(
    ("method", "status", "line"),
    [
        ("HEAD", 200, b"content-length: 3\r\n"),
        ("GET", 304, b"content-length: 3\r\n"),
        ("GET", 204, b""),
    ],
)
def test_no_body(method: str, status: int, line: bytes) -> None:
    response = writer(method)
    response.start(status, [(b"content-length", b"3")])
    response.body(b"abc", False)
    wire = response.take()
    assert wire.endswith(b"\r\n\r\n")
    assert (b"content-length" in wire) is bool(line)
    assert line in wire
    assert response.complete


def test_1_0_streams_until_close() -> None:
    response = writer(version=0)
    response.start(200, [])
    response.body(b"ab", True)
    response.body(b"", False)
    assert response.take() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab"
    assert response.ends_at_close
    assert response.closes


def test_1_0_with_a_length_is_kept_alive() -> None:
    response = writer(version=0)
    response.start(200, [])
    response.body(b"ab", False)
    assert b"connection: keep-alive\r\n" in response.take()


@pytest.mark.parametrize("asked_by_app", [True, False])
def test_close(asked_by_app: bool) -> None:
    response = writer(close=not asked_by_app)
    response.start(200, [(b"connection", b"close")] if asked_by_app else [])
    response.body(b"", False)
    assert b"connection: close\r\n" in response.take()
    assert response.closes


@pytest.mark.parametrize(
    "field",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x\r\ny", b"a"),
        (b"x", b"a\nb"),
        (b"x", b"a\x00"),
        (b"x y", b"a"),
        (b"", b"a"),
    ],
)
def test_response_splitting_is_refused(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(UnsafeHead):
        writer().start(200, [field])


@pytest.mark.parametrize("length", [b"x", b"-1", b""])
def test_a_bad_length(length: bytes) -> None:
    with pytest.raises(ValueError):
        writer().start(200, [(b"content-length", length)])


def test_order_is_checked() -> None:
    response = writer()
    with pytest.raises(RuntimeError):
        response.body(b"", False)
    with pytest.raises(ValueError):
        response.start(101, [])
    response.start(200, [])
    with pytest.raises(RuntimeError):
        response.start(200, [])
    response.body(b"", False)
    with pytest.raises(RuntimeError):
        response.body(b"", False)


def test_dropped_output_is_not_committed() -> None:
    response = writer()
    response.start(200, [])
    response.body(b"x", True)
    response.drop()
    assert not response.committed
