import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.ids import (
    AGENT_ID,
    check_agent_id,
    check_glob,
    check_host,
    check_member,
    check_scoped_glob,
    check_word,
    host_matches,
)


@pytest.mark.parametrize("text", ["a", "0", "a1", "research-agent", "a.b", "a" * 63, "a--b"])
def test_agent_id(text: str) -> None:
    assert check_agent_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "-a",
        "a-",
        ".a",
        "a.",
        "a_b",
        "a b",
        "a\n",
        "\na",
        "a" * 64,
        "é",
        "a{b}",
        "a/b",
        "٣",
    ],
)
def test_no_agent_id_and_the_rule_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 63 of a-z, 0-9") as caught:
        check_agent_id(text)
    assert repr(text[:80]) in str(caught.value)


@given(st.from_regex(AGENT_ID, fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_an_agent_id_is_one_hash_tag(text: str) -> None:
    assert check_agent_id(text) == text
    assert not set(text) & set("{}:/ \n")
    assert len(text) <= 63


@given(st.text(max_size=5))
def test_an_agent_id_is_what_the_pattern_says(text: str) -> None:
    try:
        fits = bool(check_agent_id(text))
    except ValueError:
        fits = False
    assert fits == bool(re.fullmatch(AGENT_ID, text, re.ASCII))


@pytest.mark.parametrize("text", ["openai", "Azure_OpenAI", "a", "my.server-1"])
def test_word(text: str) -> None:
    assert check_word(text) == text


@pytest.mark.parametrize("text", ["", "a/b", "a b", "-a", "a-", "*", "a\n", "a" * 129])
def test_no_word(text: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        check_word(text)


@pytest.mark.parametrize("text", ["web_search", "web/search", "web/a/b", "a:b", "web/a.b"])
def test_member(text: str) -> None:
    assert check_member(text) == text


@pytest.mark.parametrize("text", ["", "*", "web/*", "/a", "a/", "a b", "we b/a", "-/a", "a\n", "é"])
def test_no_member(text: str) -> None:
    with pytest.raises(ValueError, match="'name' or 'server/name'"):
        check_member(text)


@pytest.mark.parametrize("text", ["openai/*", "*/gpt-4", "docs/file:///a/*", "openrouter/a/b"])
def test_scoped_glob(text: str) -> None:
    assert check_scoped_glob(text) == text


@pytest.mark.parametrize("text", ["", "openai", "openai/", "/x", "o*/x", "a/b c", "file:/x"])
def test_no_scoped_glob(text: str) -> None:
    with pytest.raises(ValueError, match="'name/pattern'"):
        check_scoped_glob(text)


def test_glob() -> None:
    assert check_glob("web_search*") == "web_search*"
    with pytest.raises(ValueError, match="printable"):
        check_glob("a b")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.com", "api.example.com"),
        ("*.example.com", "*.example.com"),
        ("localhost", "localhost"),
        ("my_service", "my_service"),
        ("10.0.0.1", "10.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_host(text: str, host: str) -> None:
    assert check_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "a.*",
        "*a.com",
        "*.*.com",
        "https://a.com",
        "a.com:443",
        "a.com/x",
        "a..com",
        "a.com.",
        "-a.com",
        "a b",
        "1.2.3",
        "*.0.0.1",
        "bücher.example",
        "a.com\n",
        "a." * 130 + "com",
    ],
)
def test_no_host(text: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        check_host(text)


def test_a_suffix_covers_what_is_below_it_and_nothing_else() -> None:
    pattern = check_host("*.example.com")
    assert host_matches(pattern, "a.example.com")
    assert host_matches(pattern, "A.B.EXAMPLE.com")
    for other in ("example.com", ".example.com", "aexample.com", "a.example.com.evil.org"):
        assert not host_matches(pattern, other)
