from __future__ import annotations

import pytest

from amaze_proxy.wire.redaction import HEAD_BYTES, redacted_head

SECRET = b"s3cr3t-value"


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer %b",
        b"authorization:%b",
        b"Proxy-Authorization: Basic %b",
        b"X-Amaze-Bearer: %b",
        b"X-Amaze-Turn : %b",
        b"Cookie: a=1; b=%b",
        b"x-api-key: %b",
        b"Authorization:\r\n\t%b",
        b"Authorization: Bearer\r\n %b",
        b"X: Bearer %b",
        b"X: amz_agent.%b",
    ],
)
@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b"\r"])
def test_credentials_are_removed(line: bytes, ending: bytes) -> None:
    raw = ending.join([b"GET /x HTTP/1.1", line % SECRET, b"X-Kept: yes", b""])
    text = redacted_head(raw)
    assert SECRET not in text
    assert b"X-Kept: yes" in text


def test_credentials_in_the_target_are_removed() -> None:
    text = redacted_head(b"GET http://u:s3cr3t-value@h/?a=1&key=s3cr3t-value&b=2 HTTP/1.1\r\n")
    assert SECRET not in text
    assert b"&b=2 HTTP/1.1" in text


def test_it_is_short() -> None:
    assert len(redacted_head(b"a" * 100_000)) == HEAD_BYTES
    # a value that is cut must not keep its beginning
    assert SECRET not in redacted_head(b"x" * (HEAD_BYTES - 30) + b"\r\nCookie: " + SECRET * 900)
