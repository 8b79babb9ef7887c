import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.names import a_name, a_uri

BAD = [
    None,
    "",
    0,
    True,
    [],
    {},
    ["a"],
    " a",
    "a ",
    "a\n",
    "a\x00",
    "a\u200bb",
    "a\u2028",
    "\u202ea",
]


@pytest.mark.parametrize("name", ["a", "run_sql", "Größe", "with space", "x" * 256, "天気"])
def test_names_are_taken_as_they_are(name):
    assert a_name({"name": name}, "name") == name


@pytest.mark.parametrize("value", [*BAD, "x" * 257])
def test_bad_names_are_refused(value):
    with pytest.raises(Malformed):
        a_name({"name": value}, "name")


def test_an_absent_name_is_refused():
    with pytest.raises(Malformed):
        a_name({}, "name")


@pytest.mark.parametrize(
    "uri",
    [
        "file:///data/a.txt",
        "file:///data/.hidden/..a",
        "db://x?path=..",
        "https://h/%2e%2ea",
        "file:///{path}",
        "x:" + "y" * 4094,
    ],
)
def test_uris_are_taken_as_they_are(uri):
    assert a_uri(uri, "uri") == uri


@pytest.mark.parametrize(
    "uri",
    [
        *BAD,
        "x" * 4097,
        "..",
        "file:///data/../etc/passwd",
        "file:///data/..",
        "file:///data/./a",
        "file:///data/%2e%2E/etc",
        "file:///data%2f..%2fetc",
        "file:///data/%252e%252e/etc",
        "file:///data\\..\\etc",
        "file:///data%5c..%5cetc",
        "file:///data/..?x",
        "file:///data/..#x",
    ],
)
def test_bad_uris_are_refused(uri):
    with pytest.raises(Malformed):
        a_uri(uri, "uri")


@given(st.text(), st.sampled_from(["..", "%2e.", ".%2E", "."]), st.sampled_from("/\\?#"))
def test_a_dot_segment_anywhere_is_refused(around, dots, separator):
    with pytest.raises(Malformed):
        a_uri(f"x:{around}/{dots}{separator}{around}", "uri")
