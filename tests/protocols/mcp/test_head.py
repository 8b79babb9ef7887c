import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp import VERSIONS, HeaderMismatch, McpHead, UnknownVersion, read_head

NEWEST = (b"mcp-protocol-version", b"2026-07-28")


def wrapped(text: str) -> bytes:
    return b"=?base64?" + base64.b64encode(text.encode()) + b"?="


def test_no_headers_say_nothing():
    assert read_head([]) == read_head([(b"host", b"a"), (b"host", b"b")]) == McpHead()


def test_reads_a_stateless_call():
    head = read_head(
        [
            NEWEST,
            (b"mcp-method", b"tools/call"),
            (b"mcp-name", b" run_sql\t"),
            (b"mcp-param-region", b"eu"),
            (b"mcp-param-empty", b""),
            (b"accept", b"application/json, text/event-stream"),
        ]
    )
    assert head == McpHead("2026-07-28", "tools/call", "run_sql", False, True)


@pytest.mark.parametrize("version", VERSIONS)
def test_routing_headers_count_from_2026_on(version):
    head = read_head(
        [
            (b"mcp-protocol-version", version.encode()),
            (b"mcp-session-id", b"s-1"),
            (b"mcp-method", b"ping"),
            (b"mcp-name", b"x"),
        ]
    )
    told = ("ping", "x") if version == "2026-07-28" else ("", "")
    assert (head.version, head.method, head.name, head.session) == (version, *told, True)


@pytest.mark.parametrize(
    ("accepts", "streams"),
    [
        ([b"application/json"], False),
        ([b"*/*"], False),
        ([b"text/event-streams"], False),
        ([b"Text/Event-Stream;q=0.9"], True),
        ([b"application/json", b"text/event-stream"], True),
        ([b"text/event-stream", b"application/json"], True),
    ],
)
def test_reads_accept(accepts, streams):
    assert read_head([(b"accept", value) for value in accepts]).streams is streams


@pytest.mark.parametrize(
    "name",
    [b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-session-id", b"mcp-param-a"],
)
def test_a_header_twice_is_refused(name):
    value = b"2026-07-28" if name == b"mcp-protocol-version" else b"a"
    with pytest.raises(HeaderMismatch, match="more than once"):
        read_head([(name, value), (name, value)])


@pytest.mark.parametrize(
    "name", [b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-session-id"]
)
@pytest.mark.parametrize("value", [b"", b" ", b"\xe9", b"a\x00", b"a\tb", b"=?base64?\xff?="])
def test_a_header_that_cannot_be_read_is_refused(name, value):
    with pytest.raises(HeaderMismatch):
        read_head([(name, value)])


@pytest.mark.parametrize(
    "version", [b"draft", b"2026-07-29", b"2025-6-18", b"2025-06-18 ,", b"DRAFT-2026", b"null"]
)
def test_a_version_that_does_not_exist_is_refused(version):
    with pytest.raises(UnknownVersion) as raised:
        read_head([(b"mcp-protocol-version", version)])
    assert raised.value.version == version.decode()


@given(st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_base64_names_are_decoded(name):
    assert read_head([NEWEST, (b"mcp-name", wrapped(name))]).name == name


@pytest.mark.parametrize("header", [b"mcp-name", b"mcp-param-a"])
@pytest.mark.parametrize(
    "value",
    [
        b"=?base64?YR==?=",  # trailing bits that are not zero
        b"=?base64?YQ?=",
        b"=?base64?Y Q==?=",
        b"=?base64?_w==?=",
        b"=?base64?/w==?=",  # not UTF-8
        b"=?base64??YQ==?=",
    ],
)
def test_base64_is_canonical(header, value):
    with pytest.raises(HeaderMismatch):
        read_head([(header, value)])


@pytest.mark.parametrize("value", [b"=?BASE64?YQ==?=", b"=?base64?YQ==", b"=?base64?="])
def test_what_is_nearly_marked_as_base64_is_a_literal_but_no_name(value):
    assert read_head([(b"mcp-param-a", value)]) == McpHead()
    with pytest.raises(HeaderMismatch, match="broken base64 mark"):
        read_head([(b"mcp-name", value)])


def test_only_a_param_may_be_empty():
    assert read_head([(b"mcp-param-a", wrapped(""))]) == McpHead()
    with pytest.raises(HeaderMismatch):
        read_head([(b"mcp-name", wrapped(""))])


names = st.sampled_from(
    [b"accept", b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"mcp-param-", b"host"]
)
values = st.binary(max_size=30) | st.binary(max_size=9).map(lambda b: b"=?base64?" + b + b"?=")


@given(st.lists(st.tuples(names, values), max_size=5))
def test_any_head_is_read_or_refused(headers):
    try:
        head = read_head(headers)
    except Malformed:
        return
    own = [name for name, _ in headers if name.startswith(b"mcp-")]
    assert len(own) == len(set(own))
    assert head.version in ("", *VERSIONS)
