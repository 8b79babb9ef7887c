"""What the agent gets of an MCP server's answers."""

from __future__ import annotations

import json

import pytest

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.mcp_answers import AgentMay, McpHandling
from amaze_proxy.pipeline.mcp_calls import classify_bare
from amaze_proxy.policy.model import Policy, load_policy
from amaze_proxy.protocols.errors import Malformed
from tests.pipeline.mcp import OURS, PLACE, SEAL, SERVER, event, head, one, result, rpc, tool

EVENTS = b"text/event-stream"
SHA = "a" * 64

# -- what the agent may see and be asked ------------------------------------------------------


def may(text: str = "allowed_tools: [add]") -> AgentMay:
    return AgentMay("agent-1", SERVER, load_policy(f"name: p\n{text}\n"))


def test_lists_show_what_could_be_called() -> None:
    found = may(
        "allowed_tools: [add]\nallowed_resources: ['demo/file:///a']\nallowed_prompts: ['demo/p']"
    )
    assert found.filters
    assert (found.tool("add", SHA), found.tool("drop", SHA)) == (True, False)
    assert (found.resource("file:///a"), found.resource("file:///b")) == (True, False)
    assert (found.prompt("p"), found.prompt("q")) == (True, False)


def test_without_a_policy_everything_shows_and_nothing_may_be_asked() -> None:
    found = AgentMay("agent-1", SERVER, None)
    assert not found.filters
    assert found.tool("drop", SHA)
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
    return McpHandling(
        call or one(tool("add", a=1)), at, AgentMay("agent-1", SERVER, policy), SEAL, OURS
    )


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


def test_the_stream_of_a_server_has_no_end_of_its_own() -> None:
    assert not handling(classify_bare(PLACE, head(method="GET"))).whole_stream
