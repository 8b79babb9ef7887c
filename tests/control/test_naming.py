from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.errors import InvalidName, InvalidUrl
from amaze_proxy.control.naming import (
    BUILT_IN_PROVIDERS,
    URL_MAX,
    check_place,
    checked_host_name,
    checked_name,
    checked_url,
)


@pytest.mark.parametrize("name", ["a", "7b", "demo-mcp", "a" * 63, "0xg", "mcp-1"])
def test_a_name(name) -> None:
    assert checked_name(name) == name
    assert checked_host_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "-", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "a" * 64, "\u0430"),
        *("127", "0x7f", "0x", "2130706433", "localhost"),
    ],
)
def test_what_is_no_name(name) -> None:
    with pytest.raises(InvalidName, match="is no name"):
        checked_name(name)


def test_a_built_in_provider_is_no_name_of_a_host() -> None:
    assert len(BUILT_IN_PROVIDERS) == 13
    for name in BUILT_IN_PROVIDERS:
        with pytest.raises(InvalidName, match="built in"):
            checked_host_name(name)
        assert checked_name(name) == name


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://h", "http://h/"),
        ("HTTP://Host.Example:80/MCP", "http://host.example/MCP"),
        ("https://h:443/a/b/", "https://h/a/b/"),
        ("https://h:80/", "https://h:80/"),
        ("http://h:443", "http://h:443/"),
        ("http://10.0.0.1:9000/mcp", "http://10.0.0.1:9000/mcp"),
        ("http://[::1]:9000/mcp", "http://[::1]:9000/mcp"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://h_1/a%20b/~x;y=1,2/@:&$!*'()+", "http://h_1/a%20b/~x;y=1,2/@:&$!*'()+"),
        ("http://h/.../..a//", "http://h/.../..a//"),
    ],
)
def test_a_url_is_normalised(url, normal) -> None:
    assert checked_url(url) == normal
    assert checked_url(normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "//h/", "ftp://h/", "http:///x", "http://", "http:h", "file:///etc/passwd"),
        *("http://u@h/", "http://u:p@h/", "http://h/?q", "http://h/#f", "http://h?x", "http://h#"),
        *("http://h:/", "http://h:0/", "http://h:00080/", "http://h:65536/", "http://h:x/"),
        *("http://h/a b", "http://h/\n", "http://h/\u00e4", "http://h\\@x/", "http://h/a\\b"),
        *("http://h/%", "http://h/%2", "http://h/%zz", "http://h/<x>", "http://h/a\x00"),
        *("http://h/./x", "http://h/a/..", "http://h/%2E%2e/x", "http://h/.%2e"),
        *("http://127.1/", "http://2130706433/", "http://0177.0.0.1/", "http://h./", "http://.h/"),
        *("http://[::1/", "http://::1/", "http://[fe80::1]/", "http://[fd00::1%25eth0]/"),
        *("http://[1.2.3.4]/", "http://[h]/", "http://*.h/", "http://a%2eb/"),
        *("http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://0.0.0.0/"),
        *("http://224.0.0.1/", "http://[::]/", f"http://h/{'x' * URL_MAX}"),
    ],
)
def test_what_is_no_url_of_a_server(url) -> None:
    with pytest.raises(InvalidUrl, match="is no URL of a server"):
        checked_url(url)


@given(st.text(alphabet="htps:/[]@?#%.0127aZ-_ \\", max_size=40) | st.text(max_size=40))
def test_a_url_that_passes_stays_as_it_is(text) -> None:
    for url in (text, f"http://{text}", f"https://h/{text}"):
        try:
            normal = checked_url(url)
        except InvalidUrl:
            continue
        assert checked_url(normal) == normal
        assert not set(normal) & set("@?# \\") - set("@")
        assert "@" not in normal.split("/")[2]


@pytest.mark.parametrize("place", ["*.h", "fd00::1%eth0", "fe80::1", "0.0.0.0", "::", "ff02::1"])
def test_where_nothing_can_listen(place) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        check_place(place)


def test_where_something_can_listen() -> None:
    for place in ("10.0.0.1", "127.0.0.1", "agent-1.svc.cluster.local", "::1"):
        assert check_place(place) == place
