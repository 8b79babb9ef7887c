from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.wire.bodies import BodyReader, ChunkedBody, LengthBody, NoBody, request_body
from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.ingress import FaultKind

CHUNKED = b'5;a=b; c="d e" ;f\r\nhello\r\nA\r\n0123456789\r\n0;x\r\nX-T: 1\r\nY: 2\r\n\r\n'


def read(reader: BodyReader, *pieces: bytes) -> tuple[bytes, bytes]:
    payload = rest = b""
    for piece in pieces:
        if reader.done:
            rest += piece
            continue
        got, rest = reader.feed(piece)
        payload += got
    return payload, rest


def test_chunked_cut_anywhere() -> None:
    wire = CHUNKED + b"NEXT"
    for cut in range(len(wire) + 1):
        reader = ChunkedBody(1000)
        assert read(reader, wire[:cut], wire[cut:]) == (b"hello0123456789", b"NEXT"), cut
        assert reader.done


def test_chunked_byte_by_byte() -> None:
    reader = ChunkedBody(1000)
    assert read(reader, *(CHUNKED[i : i + 1] for i in range(len(CHUNKED))))[0] == b"hello0123456789"
    assert reader.done


@pytest.mark.parametrize(
    "wire",
    [
        b"0x5\r\nhello\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"\r\n",
        b"g\r\n",
        b"5;a\x00\r\nhello\r\n",
        b"5;a\nb\r\nhello\r\n",
        b'5;a="\r\nhello\r\n',
        b"5\r\nhelloXX",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0",
        b"0" * 300,
        b"1" * 16 + b"\r\n",
        b"5;" + b"a" * 300 + b"\r\nhello\r\n",
        b"0\r\nX : 1\r\n\r\n",
        b"0\r\nX: 1\r\n folded\r\n\r\n",
        b"0\r\nX: 1\nY: 2\r\n\r\n",
        b"0\r\n" + b"X: 1\r\n" * 2000,
    ],
)
def test_malformed_chunks(wire: bytes) -> None:
    with pytest.raises(Malformed):
        ChunkedBody(10_000).feed(wire)


def test_chunk_extensions_are_bounded() -> None:
    chunk = b"1;" + b"a" * 200 + b"\r\nx\r\n"
    with pytest.raises(Malformed, match="extensions"):
        ChunkedBody(10_000).feed(chunk * 100)


def test_a_chunked_body_has_a_limit() -> None:
    reader = ChunkedBody(10)
    reader.feed(b"6\r\n123456\r\n")
    with pytest.raises(Malformed) as caught:
        reader.feed(b"5\r\n")
    assert caught.value.kind is FaultKind.TOO_LARGE


def test_a_body_of_known_length() -> None:
    reader = LengthBody(5)
    assert reader.feed(b"he") == (b"he", b"")
    assert not reader.done
    assert reader.feed(b"lloNEXT") == (b"llo", b"NEXT")
    assert reader.done


def test_request_bodies() -> None:
    assert isinstance(request_body(None, False, 10), NoBody)
    assert isinstance(request_body(0, False, 10), NoBody)
    assert isinstance(request_body(10, False, 10), LengthBody)
    assert isinstance(request_body(None, True, 10), ChunkedBody)
    with pytest.raises(Malformed) as caught:
        request_body(11, False, 10)
    assert caught.value.kind is FaultKind.TOO_LARGE
    assert NoBody().feed(b"x") == (b"", b"x")


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.integers(0, 200))
def test_chunks_are_joined(parts: list[bytes], cut: int) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    assert read(ChunkedBody(1000), wire[:cut], wire[cut:])[0] == b"".join(parts)


@given(st.binary(max_size=80))
def test_garbage_is_malformed_or_waits(garbage: bytes) -> None:
    reader = ChunkedBody(1000)
    try:
        payload, rest = reader.feed(garbage)
    except Malformed:
        return
    assert len(payload) + len(rest) <= len(garbage)
