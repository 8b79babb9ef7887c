"""What calls to MCP servers ask for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import Head, Way
from amaze_proxy.pipeline.mcp_calls import classify_bare, is_form, unknown_server
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import DiscoveryCall, HttpCall, PromptGet, ResourceRead, ToolCall
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.wire.authority import Authority
from tests.pipeline.mcp import PLACE, head, one, posted, result, rpc, tool

OLD = {b"mcp-protocol-version": b"2025-03-26"}


def test_a_tool_call_is_what_is_charged() -> None:
    call = one(tool("add", a=1))
    assert call.resource == ToolCall("demo", "add", {"a": 1})
    assert (call.charge.tool_calls, call.entry, call.target) == (1, "demo", "demo")
    assert call.way == Way(Authority("https", "mcp.example", 9000), b"/mcp")
    assert call.rpc_method == "tools/call"
    assert not call.legacy


@pytest.mark.parametrize(
    ("body", "resource"),
    [
        (rpc("resources/read", {"uri": "file:///a"}), ResourceRead("demo", "file:///a")),
        (rpc("prompts/get", {"name": "p"}), PromptGet("demo", "p")),
        (rpc("tools/list"), DiscoveryCall("demo", "tools/list")),
    ],
)
def test_other_requests_cost_nothing(body: dict[str, Any], resource: object) -> None:
    call = one(body)
    assert call.resource == resource
    assert call.charge.tool_calls == 0


def test_every_resource_of_a_subscription_must_be_allowed() -> None:
    wanted = {"notifications": {"resourceSubscriptions": ["file:///a", "file:///b"]}}
    call = one(rpc("subscriptions/listen", wanted))
    assert call.resource == ResourceRead("demo", "file:///a")
    assert call.also == (ResourceRead("demo", "file:///b"),)


def test_an_answer_of_the_client_is_one() -> None:
    assert one(result({})).rpc_method == "response"


def test_what_is_not_understood_is_barred() -> None:
    call = one(rpc("tools/execute"))
    assert call.barred is not None
    assert call.barred.reason is Reason.MCP_NOT_ALLOWED
    assert "tools/execute" in call.barred.message
    assert not call.strays


def test_the_query_goes_along() -> None:
    call = one(rpc("ping"), head("session_id=7"))
    assert call.way is not None
    assert call.way.path == b"/mcp?session_id=7"
    assert call.legacy


@pytest.mark.parametrize("declared", [b"text/plain", b"application/json; charset=utf-7"])
def test_what_is_not_declared_as_json_is_refused(declared: bytes) -> None:
    with pytest.raises(Malformed, match="Content-Type"):
        posted(tool("add"), head(content_type=declared))


def test_a_batch_where_there_are_batches() -> None:
    at = Head(head().authority, "POST", "/mcp", {**head().headers, **OLD})
    found = posted([rpc("ping", rpc_id=1), rpc("ping", rpc_id=2)], at)
    assert isinstance(found, Batch)
    assert [message.id for message in found.messages] == [1, 2]
    assert not found.streams


@pytest.mark.parametrize("query", ["", "session_id=7"])
def test_no_batch_where_there_is_none(query: str) -> None:
    at = head(query, mcp_protocol_version=b"2025-03-26" if query else b"2025-06-18")
    with pytest.raises(Malformed, match="no batches"):
        posted([rpc("ping")], at)


def test_two_requests_of_a_batch_with_one_id() -> None:
    at = Head(head().authority, "POST", "/mcp", {**head().headers, **OLD})
    with pytest.raises(Malformed, match="same id"):
        posted([rpc("ping"), rpc("tools/list")], at)


@pytest.mark.parametrize(("method", "name"), [("GET", "GET stream"), ("DELETE", "DELETE session")])
def test_a_request_without_a_message(method: str, name: str) -> None:
    call = classify_bare(PLACE, head(method=method))
    assert call.resource == DiscoveryCall("demo", name)
    assert (call.body, call.rpc_method, call.mcp) == (b"", name, None)


@pytest.mark.parametrize("body", [tool("add"), rpc("tools/call"), None])
def test_mcp_where_nobody_is_registered(body: dict[str, Any] | None) -> None:
    message = None
    if body is not None:
        read = read_body(json.dumps(body).encode())
        assert isinstance(read, Message)
        message = read
    call = unknown_server(head(), message)
    assert call.resource == HttpCall("demo")
    assert call.strays
    assert call.rpc_method == ("tools/call" if body else "")
    assert (call.mcp is None) is (body is None)


@pytest.mark.parametrize(
    ("declared", "body", "form"),
    [
        (b"application/x-www-form-urlencoded", b"grant_type=x", True),
        (b"Application/X-WWW-Form-Urlencoded; charset=utf-8", b"_=1", True),
        (b"application/x-www-form-urlencoded", b'{"jsonrpc":"2.0"}', False),
        (b"application/x-www-form-urlencoded", b" {", False),
        (b"application/x-www-form-urlencoded", b"\xef\xbb\xbf{", False),
        (b"application/x-www-form-urlencoded", b"", False),
        (b"application/json", b"a=b", False),
    ],
)
def test_what_is_a_form(declared: bytes, body: bytes, form: bool) -> None:
    assert is_form(head(content_type=declared), body) is form
