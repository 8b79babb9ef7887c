"""What calls to MCP servers ask for, and what the agent gets of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.batch import Batch
from amaze_proxy.pipeline.calls import Call, Head, Way
from amaze_proxy.pipeline.directory import ServerPlace
from amaze_proxy.pipeline.mcp_calls import (
    AgentMay,
    McpHandling,
    classify_bare,
    classify_post,
    is_form,
    is_legacy,
    unknown_server,
)
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Policy, load_policy
from amaze_proxy.policy.request import DiscoveryCall, HttpCall, PromptGet, ResourceRead, ToolCall
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.store.registry import EntryStatus, McpServer
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import TURN_KEY
from tests.pipeline.mcp import event, result, rpc, tool

SERVER = McpServer("demo", "https://mcp.example:9000/mcp", EntryStatus.APPROVED)
PLACE = ServerPlace(SERVER, "/mcp")
SEAL = Seal(TURN_KEY)
EVENTS = b"text/event-stream"
OLD = {b"mcp-protocol-version": b"2025-03-26"}


def head(query: str = "", method: str = "POST", **headers: bytes) -> Head:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    named.setdefault(b"content-type", b"application/json")
    return Head(Authority("http", "demo", 80), method, "/mcp", named, query)


def posted(body: Any, at: Head | None = None) -> Call | Batch:
    at = at or head()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify_post(PLACE, at, [*at.headers.items()], data)


def one(body: Any, at: Head | None = None) -> Call:
    found = posted(body, at)
    assert isinstance(found, Call)
    return found


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


# -- what the agent may see and be asked ------------------------------------------------------


def may(text: str = "allowed_tools: [add]") -> AgentMay:
    return AgentMay("agent-1", "demo", load_policy(f"name: p\n{text}\n"))


def test_lists_show_what_could_be_called() -> None:
    found = may(
        "allowed_tools: [add]\nallowed_resources: ['demo/file:///a']\nallowed_prompts: ['demo/p']"
    )
    assert found.filters
    assert (found.tool("add"), found.tool("drop")) == (True, False)
    assert (found.resource("file:///a"), found.resource("file:///b")) == (True, False)
    assert (found.prompt("p"), found.prompt("q")) == (True, False)


def test_without_a_policy_everything_shows_and_nothing_may_be_asked() -> None:
    found = AgentMay("agent-1", "demo", None)
    assert not found.filters
    assert found.tool("drop")
    assert found.feature("sampling/createMessage")


def test_what_a_server_may_ask() -> None:
    assert may("allow_sampling: true").feature("sampling/createMessage") == ""
    assert "allow_elicitation" in may("allow_sampling: true").feature("elicitation/create")


def test_shadow_mode_lets_everything_pass() -> None:
    found = may("enforcement: shadow")
    assert not found.filters
    assert found.feature("sampling/createMessage") == ""


# -- the answer -------------------------------------------------------------------------------


def handling(
    call: Call | None = None, policy: Policy | None = None, **headers: bytes
) -> McpHandling:
    at = head(**headers)
    return McpHandling(call or one(tool("add", a=1)), at, AgentMay("agent-1", "demo", policy), SEAL)


def test_what_came_encoded_is_sent_as_it_was_read() -> None:
    assert handling().edited() is None
    call = one(tool("add", a=1))
    assert handling(call, content_encoding=b"gzip").edited() == call.body


def test_a_whole_answer_is_json_rpc() -> None:
    found = handling()
    assert found.whole(b"application/json", result({})) == (b"application/json", result({}))
    assert found.used().burn_step
    with pytest.raises(Malformed, match="text/html"):
        found.whole(b"text/html", b"<p>")


def test_an_error_burns_no_step() -> None:
    found = handling()
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}
    found.whole(b"application/json", json.dumps(error).encode())
    assert not found.used().burn_step


@pytest.mark.parametrize("query", ["", "session_id=7"])
def test_where_no_answer_is_due_none_passes(query: str) -> None:
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    call = one(tool("add") if query else note, head(query))
    assert handling(call).whole(b"application/json", result({})) == (b"application/json", b"")


@pytest.mark.parametrize(
    "body", [b"", b"not found", b'{"error": "x"}', b'"x"', b"<p>{</p>", b"\xff", b"1" * 5000]
)
def test_an_http_error_that_tells_none_but_an_error(body: bytes) -> None:
    found = handling()
    found.check_error(b"application/json", body)
    assert found.used().burn_step


NESTED = b'{"x":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    "body",
    [
        result({}),
        b"[" + result({}) + b"]",
        b"\xef\xbb\xbf" + result({}),
        result({}).decode().encode("utf-16"),
        b'{"result": {}, "x": ' + b"1" * 5000 + b"}",
        b"\xef\xbb\xbf \n" + b'{"result": {}, "x": ' + b"1" * 5000 + b"}",
        NESTED,
        b'{"result": {}',
    ],
)
def test_an_http_error_that_could_tell_a_result(body: bytes) -> None:
    with pytest.raises(Malformed, match="HTTP error"):
        handling().check_error(b"application/json", body)


def test_an_http_error_is_no_stream() -> None:
    with pytest.raises(Malformed, match="stream"):
        handling().check_error(EVENTS, b"")


def test_a_stream_is_complete_with_its_answer() -> None:
    found = handling()
    assert found.whole_stream
    assert found.reader(b"application/json") is None
    reader = found.reader(EVENTS)
    assert reader is not None
    assert not reader.complete
    assert reader.feed(event(result({}))) == event(result({}))
    assert reader.complete
    assert reader.end() == b""


def test_what_was_asked_is_told_once() -> None:
    found = handling(policy=load_policy("name: p\n"))
    reader = found.reader(EVENTS)
    assert reader is not None
    asks = json.dumps(rpc("sampling/createMessage", rpc_id=9)).encode()
    assert reader.feed(event(asks)) == b""
    (asked,) = found.asked()
    assert asked.method == "sampling/createMessage"
    assert found.asked() == []


STREAM = classify_bare(PLACE, head(method="GET"))


def endpoint(data: str, call: Call = STREAM) -> str:
    reader = handling(call).reader(EVENTS)
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
    assert not handling(STREAM).whole_stream


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
