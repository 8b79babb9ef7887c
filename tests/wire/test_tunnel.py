from __future__ import annotations

import ssl

import pytest

from amaze_proxy.wire.tunnel import Inside, handshake_failure, name_mismatch, sniff


@pytest.mark.parametrize(
    ("first", "inside"),
    [
        (b"", Inside.UNDECIDED),
        (b"\x16", Inside.UNDECIDED),
        (b"\x16\x03", Inside.TLS),
        (b"\x16\x03\x01\x02", Inside.TLS),
        (b"\x16\x02", Inside.OTHER),
        (b"G", Inside.PLAIN),
        (b"PRI * HTTP/2.0", Inside.PLAIN),
        (b"get /", Inside.OTHER),
        (b"\x00", Inside.OTHER),
        (b"*1\r\n", Inside.OTHER),
        (b"\x80\x2e", Inside.OTHER),
    ],
)
def test_sniff(first: bytes, inside: Inside) -> None:
    assert sniff(first) is inside


@pytest.mark.parametrize(
    ("name", "host", "agrees"),
    [
        ("a.example", "a.example", True),
        ("A.Example.", "a.example", True),
        (None, "a.example", True),
        (None, "127.0.0.1", True),
        ("b.example", "a.example", False),
        ("a.example", "127.0.0.1", False),
    ],
)
def test_server_name(name: str | None, host: str, agrees: bool) -> None:
    assert (name_mismatch(name, host) == "") is agrees


def test_an_untrusted_ca_is_named() -> None:
    error = ssl.SSLError(1, "x")
    error.reason = "TLSV1_ALERT_UNKNOWN_CA"
    assert "does not trust the proxy's CA" in handshake_failure(error)
    error.reason = "NO_SHARED_CIPHER"
    assert "trust" not in handshake_failure(error)
    assert "ca.pem" in handshake_failure(None)
