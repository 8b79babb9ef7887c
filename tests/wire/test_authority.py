from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.wire.authority import Authority, AuthorityError, parse_authority


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (b"API.OpenAI.com", "api.openai.com", 443),
        (b"api.openai.com.", "api.openai.com", 443),
        (b"api.openai.com:443", "api.openai.com", 443),
        (b"api.openai.com.:8443", "api.openai.com", 8443),
        (b"localhost:1", "localhost", 1),
        (b"my_service-1:65535", "my_service-1", 65535),
        (b"127.0.0.1:80", "127.0.0.1", 80),
        (b"[::1]:80", "::1", 80),
        (b"[2001:DB8:0:0::1]", "2001:db8::1", 443),
        (b"[::FFFF:1.2.3.4]", "::ffff:1.2.3.4", 443),
        ("BÜCHER.example", "xn--bcher-kva.example", 443),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example", 443),
    ],
)
def test_canonical_form(text: bytes | str, host: str, port: int) -> None:
    parsed = parse_authority(text, "https", 443)
    # ipaddress spells mapped addresses differently from version to version
    assert (parsed.port, parsed.scheme) == (port, "https")
    assert parsed.host in {host, "::ffff:102:304"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b":443",
        b"a b",
        b"user@host",
        b"user:pw@host:80",
        b"host:",
        b"host:0",
        b"host:65536",
        b"host:+80",
        b"host:80:80",
        b"host:8a",
        b"ho\x00st",
        b"host\t",
        b"host/path",
        b"host?x",
        b"host#x",
        b"host\\x",
        b"%61pi.openai.com",
        b"h\xc3\xb6st",
        b".host",
        b"host..",
        b"a..b",
        b"-a.example",
        b"a-.example",
        b"a" * 64 + b".example",
        b"a." * 130 + b"example",
        b"0x7f.1",
        b"017700000001",
        b"2130706433",
        b"127.1",
        b"127.0.0.01",
        b"0x7f000001",
        b"1.2.3.4.5",
        b"a.0x1",
        b"256.1.1.1",
        b"[::1",
        b"::1",
        b"[::1%25eth0]",
        b"[fe80::1%eth0]",
        b"[127.0.0.1]",
        b"[::g]",
    ],
)
def test_refused(text: bytes) -> None:
    with pytest.raises(AuthorityError):
        parse_authority(text, "https", 443)


def test_connect_needs_a_port() -> None:
    with pytest.raises(AuthorityError):
        parse_authority(b"api.openai.com", "https", None)


@pytest.mark.parametrize(
    ("authority", "netloc"),
    [
        (Authority("https", "a.example", 443), "a.example"),
        (Authority("http", "a.example", 443), "a.example:443"),
        (Authority("http", "a.example", 80), "a.example"),
        (Authority("https", "::1", 443), "[::1]"),
        (Authority("https", "::1", 8443), "[::1]:8443"),
    ],
)
def test_netloc(authority: Authority, netloc: str) -> None:
    assert authority.netloc == netloc
    assert str(authority) == f"{authority.scheme}://{netloc}"


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-fx.:\[\]]{1,30}", fullmatch=True))
def test_whatever_passes_is_canonical(text: str) -> None:
    try:
        parsed = parse_authority(text, "http", 80)
    except AuthorityError:
        return
    assert parse_authority(parsed.netloc, "http", 80) == parsed
    assert parsed.host == parsed.host.lower()
    assert not set(parsed.host) & set("/@?#% \t\r\n\\")
