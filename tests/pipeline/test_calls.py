"""A call as the line sees it."""

from __future__ import annotations

import pytest

from amaze_proxy.pipeline.calls import Call, Head, Way, check_json, with_query
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import (
    AgentCall,
    AgentLook,
    CallKind,
    DiscoveryCall,
    HttpCall,
    ToolCall,
)
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.wire.authority import Authority

WHY = Refused(Reason.NOT_ALLOWED, "no")


def head(query: str = "", **headers: bytes) -> Head:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return Head(Authority("http", "demo", 80), "POST", "/mcp", named, query)


def test_the_request_target_has_the_query() -> None:
    assert head().request_target == "/mcp"
    assert head("a=b").request_target == "/mcp?a=b"
    assert with_query("/", "") == "/"


def test_headers_are_text() -> None:
    assert head(accept=b"caf\xe9").text(b"accept") == "caf\xe9"
    assert head().text(b"accept") is None


def test_what_the_client_takes() -> None:
    assert head(accept=b"application/json, Text/Event-Stream").accepts(b"text/event-stream")
    assert not head(accept=b"application/json").accepts(b"text/event-stream")
    assert not head().accepts(b"text/event-stream")


def test_a_call_to_an_agent_names_it() -> None:
    assert Call(CallKind.A2A, AgentCall("writer", None, 1), "writer").callee == "writer"
    assert Call(CallKind.A2A, AgentLook("writer"), "writer").callee == "writer"
    assert Call(CallKind.MCP, DiscoveryCall("demo", "ping"), "demo").callee == ""


def test_a_tool_call_names_its_tool() -> None:
    call = Call(CallKind.MCP, ToolCall("demo", "add", {}), "demo")
    assert (call.tool, call.model, call.provider) == ("add", "", "")
    assert Call(CallKind.HTTP, HttpCall("x"), "x").tool == ""


def test_only_what_is_barred_for_its_place_strays() -> None:
    assert Call(CallKind.MCP, HttpCall("x"), "x", barred=WHY).strays
    assert not Call(CallKind.MCP, HttpCall("x"), "x").strays
    assert not Call(CallKind.A2A, AgentLook("writer"), "writer", barred=WHY).strays


def test_a_call_is_sent_another_way() -> None:
    way = Way(Authority("http", "10.0.0.5", 9100), b"/")
    call = Call(CallKind.A2A, AgentLook("writer"), "writer")
    assert call.sent(way).way == way
    assert call.way is None


JSON = ("application/json",)


@pytest.mark.parametrize(
    "declared",
    [
        b"application/json",
        b"Application/JSON; charset=UTF-8",
        b'application/json;charset="utf-8"',
        b"application/json; profile=x",
    ],
)
def test_json_in_utf_8(declared: bytes) -> None:
    found = head(content_type=declared)
    check_json(found, JSON)
    assert found.text(b"content-type") == declared.decode()


@pytest.mark.parametrize(
    "declared",
    [
        b"",
        b"text/plain",
        b"application/json; charset=utf-7",
        b"application/json; charset=utf-16",
        b"application/json; charset=utf-8; charset=utf-7",
        b"application/json; Charset = utf-7",
        b"application/a2a+json",
    ],
)
def test_what_is_declared_as_anything_else_is_refused(declared: bytes) -> None:
    with pytest.raises(Malformed, match="Content-Type"):
        check_json(head(content_type=declared), JSON)


def test_no_declaration_is_refused_where_one_is_due() -> None:
    with pytest.raises(Malformed):
        check_json(head(), JSON)
