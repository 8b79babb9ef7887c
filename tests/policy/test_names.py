import pytest

from amaze_proxy.policy.names import (
    climbs,
    covers,
    covers_model,
    covers_provider_tool,
    is_member,
)


@pytest.mark.parametrize(
    ("names", "server", "name", "is_in"),
    [
        (["a"], "s", "a", True),
        (["s/a"], "s", "a", True),
        (["s/a"], "t", "a", False),
        (["a/b"], "s", "a/b", False),
        (["s/a/b"], "s", "a/b", True),
        (["s/a/b"], "s/a", "b", False),
        (["b"], "s/a", "b", False),
        ([], "s", "a", False),
    ],
)
def test_is_member(names: list[str], server: str, name: str, is_in: bool) -> None:
    assert is_member(names, server, name) is is_in


@pytest.mark.parametrize(
    ("pattern", "owner", "name", "does"),
    [
        ("o/m", "o", "m", True),
        ("o/m", "o", "M", False),
        ("o/m*", "o", "m/1", True),
        ("*/m", "o", "m", True),
        ("o/*", "p", "m", False),
        ("o/[ab]", "o", "b", True),
        ("o/m", "o", "m\n", False),
    ],
)
def test_covers(pattern: str, owner: str, name: str, does: bool) -> None:
    assert covers(pattern, owner, name) is does


def test_a_bare_provider_covers_all_of_its_models() -> None:
    assert covers_model("o", "o", "any/thing")
    assert covers_model("*", "o", "m")
    assert not covers_model("o", "p", "m")


def test_a_provider_tool_is_covered_with_or_without_its_provider() -> None:
    assert covers_provider_tool("web_*", "o", "web_search")
    assert covers_provider_tool("o/web_search", "o", "web_search")
    assert not covers_provider_tool("p/web_search", "o", "web_search")


@pytest.mark.parametrize(
    "uri", ["file:///a/../b", "a/..", "../a", "a/%2e%2E/b", "a/%252e./b", "a\\..\\b"]
)
def test_climbs(uri: str) -> None:
    assert climbs(uri)


@pytest.mark.parametrize("uri", ["file:///a/b", "a..b/c", "a/...", "a/.b"])
def test_does_not_climb(uri: str) -> None:
    assert not climbs(uri)
