from __future__ import annotations

import pytest

from amaze_proxy.wire.fields import (
    Malformed,
    content_length,
    is_chunked,
    keeps_alive,
    read_request_fields,
    read_response_fields,
)
from amaze_proxy.wire.ingress import FaultKind


def test_names_are_lower_case_and_values_trimmed() -> None:
    fields = read_request_fields(b"X-A:  1 \t\r\nx-b:\r\nX-C: a:b\r\n", 100)
    assert fields.kept == [(b"x-a", b"1"), (b"x-b", b""), (b"x-c", b"a:b")]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"a: 1\nb: 2\r\n", "bare LF"),
        (b"a: 1\rb: 2\r\n", "bare CR"),
        (b"a: 1\r\r\n", "bare CR"),
        (b"a: x\x00y\r\n", "control byte"),
        (b"a: x\x0by\r\n", "control byte"),
        (b"a: x\x7fy\r\n", "control byte"),
        (b"a: x\xffy\r\n", "outside ASCII"),
        (b"\xc3\xa4: x\r\n", "outside ASCII"),
        (b"a: 1\r\n folded\r\n", "obs-fold"),
        (b" a: 1\r\n", "obs-fold"),
        (b"a : 1\r\n", "before the colon"),
        (b"a\t: 1\r\n", "before the colon"),
        (b"no colon\r\n", "name: value"),
        (b": empty name\r\n", "name: value"),
        (b"a(b): 1\r\n", "name: value"),
    ],
)
def test_what_is_wrong_is_said(block: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        read_request_fields(block, 100)
    assert caught.value.kind is FaultKind.MALFORMED


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Content-Type",
        b"Content-Encoding",
        b"Authorization",
        b"Proxy-Authorization",
        b"Expect",
        b"X-Amaze-Bearer",
        b"X-Amaze-Turn",
    ],
)
def test_a_second_line_is_refused(name: bytes) -> None:
    with pytest.raises(Malformed, match="more than one"):
        read_request_fields(b"%b: 1\r\n%b: 1\r\n" % (name, name.upper()), 100)


@pytest.mark.parametrize(
    "option",
    [
        b"authorization",
        b"Host",
        b"Content-Length",
        b"cookie",
        b"transfer-encoding",
        b"x-amaze-bearer",
        b"close, X-Amaze-Turn",
        b"proxy-authorization",
    ],
)
def test_connection_may_not_name_what_is_decided_on(option: bytes) -> None:
    with pytest.raises(Malformed, match="Connection field names"):
        read_request_fields(b"Connection: %b\r\n" % option, 100)


def test_connection_must_be_tokens() -> None:
    with pytest.raises(Malformed, match="list of tokens"):
        read_request_fields(b"Connection: a b\r\n", 100)


def test_hop_by_hop_fields_are_dropped() -> None:
    fields = read_request_fields(
        b"Connection: close, X-Mine\r\nConnection: te\r\nX-Mine: 1\r\nKeep-Alive: 5\r\n"
        b"Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\n"
        b"Proxy-Authorization: Basic x\r\nTransfer-Encoding: chunked\r\nHTTP2-Settings: x\r\n"
        b"Expect: 100-continue\r\nX-Kept: 1\r\n",
        100,
    )
    assert fields.kept == [(b"x-kept", b"1")]
    assert fields.options == {b"close", b"te", b"x-mine"}
    assert fields.watched[b"proxy-authorization"] == b"Basic x"


def test_too_many_fields() -> None:
    with pytest.raises(Malformed) as caught:
        read_request_fields(b"a: 1\r\n" * 6, 5)
    assert caught.value.kind is FaultKind.HEADERS_TOO_LARGE


def test_a_response_value_may_have_obs_text() -> None:
    block = b"content-disposition: attachment; filename=\xe4.txt\r\n"
    assert read_response_fields(block, 10).kept[0][1].endswith(b"\xe4.txt")


@pytest.mark.parametrize(
    "value", [b"+5", b"5, 5", b"5 5", b"-1", b"0x5", b"5.0", b"", b"1" * 16, b"5;"]
)
def test_content_length_is_one_number(value: bytes) -> None:
    fields = read_request_fields(b"Content-Length: %b\r\n" % value, 10)
    with pytest.raises(Malformed):
        content_length(fields)


@pytest.mark.parametrize(
    "value", [b"gzip", b"identity", b"xchunked", b"gzip, chunked", b"chunked, chunked", b"", b","]
)
def test_the_only_transfer_coding_is_chunked(value: bytes) -> None:
    fields = read_request_fields(b"Transfer-Encoding: %b\r\n" % value, 10)
    with pytest.raises(Malformed):
        is_chunked(fields, 1)


def test_chunked_in_1_0_or_beside_a_length() -> None:
    fields = read_request_fields(b"Transfer-Encoding: Chunked\r\n", 10)
    assert is_chunked(fields, 1)
    with pytest.raises(Malformed):
        is_chunked(fields, 0)
    both = read_request_fields(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 10)
    with pytest.raises(Malformed, match="both"):
        is_chunked(both, 1)


@pytest.mark.parametrize(
    ("connection", "version", "kept"),
    [
        (b"", 1, True),
        (b"close", 1, False),
        (b"keep-alive, Close", 1, False),
        (b"", 0, False),
        (b"Keep-Alive", 0, True),
        (b"keep-alive, close", 0, False),
    ],
)
def test_keep_alive(connection: bytes, version: int, kept: bool) -> None:
    fields = read_request_fields(b"Connection: %b\r\n" % connection, 10)
    assert keeps_alive(fields, version) is kept
