"""Where an MCP server takes messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.endpoints import is_legacy
from amaze_proxy.pipeline.mcp_answers import AgentMay, McpHandling
from amaze_proxy.pipeline.mcp_calls import classify_bare
from amaze_proxy.protocols.errors import Malformed
from tests.pipeline.mcp import OURS, PLACE, SEAL, head

STREAM = classify_bare(PLACE, head(method="GET"))


def endpoint(data: str, call: Call = STREAM) -> str:
    may = AgentMay("agent-1", PLACE.server, None)
    reader = McpHandling(call, head(), may, SEAL, OURS).reader(b"text/event-stream")
    assert reader is not None
    out = reader.feed(b"event: endpoint\ndata: " + data.encode() + b"\n\n")
    found = out.decode().partition("data: ")[2].strip()
    path, _, mark = found.partition("amaze-endpoint=")
    assert SEAL.marked(f"demo https://mcp.example:9000{path[:-1]}", mark)
    return path[:-1]


@pytest.mark.parametrize(
    "data",
    [
        "/messages?session_id=1",
        "https://mcp.example:9000/messages?session_id=1",
        "http://demo/messages?session_id=1",
        "http://demo:80/messages?session_id=1",
    ],
)
def test_the_url_for_messages_is_a_path_of_the_server(data: str) -> None:
    assert endpoint(data) == "/messages?session_id=1"


@pytest.mark.parametrize(
    "data",
    [
        "//evil.example/",
        "/\\evil.example/",
        "https://evil.example/messages",
        "https://mcp.example:9000.evil.example/messages",
        "https://mcp.example:9000@evil.example/",
        "messages",
        "/a b",
        "/\u00e9",
        "/" + "x" * 5000,
    ],
)
def test_the_url_for_messages_leads_nowhere_else(data: str) -> None:
    with pytest.raises(Malformed, match="endpoint event"):
        endpoint(data)


def test_an_endpoint_from_nowhere() -> None:
    with pytest.raises(Malformed, match="nowhere"):
        endpoint("/messages", Call(STREAM.kind, STREAM.resource, "demo", entry="demo"))


@given(st.text(alphabet="/\\@:.?#ahtps[]%", max_size=20))
def test_whatever_the_url_is_it_is_a_path(data: str) -> None:
    try:
        found = endpoint(data) if data else "/"
    except Malformed:
        return
    assert found.startswith("/")
    assert not found.startswith("//")
    assert "\\" not in found


@pytest.mark.parametrize(
    ("query", "legacy"),
    [
        ("session_id=7", True),
        ("a=b&sessionId=7", True),
        ("session_id=", False),
        ("xsession_id=7", False),
        ("", False),
    ],
)
def test_whose_url_names_the_session(query: str, legacy: bool) -> None:
    assert is_legacy(head(query)) is legacy
    assert not is_legacy(head(query, mcp_session_id=b"7"))
