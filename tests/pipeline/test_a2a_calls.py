"""What calls to agents ask for, and what the callee is told."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from amaze_proxy.pipeline.a2a_calls import (
    A2aHandling,
    classify_a2a,
    reached,
    told_to_callee,
    unknown_agent,
)
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.directory import AgentPlace
from amaze_proxy.policy import callers, turn
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import AgentCall, AgentLook, HttpCall
from amaze_proxy.protocols.a2a import Binding
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.peers import Callee
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import TURN_KEY

WRITER = AgentPlace("writer")
MESSAGE = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
JSON = {b"content-type": b"application/json"}


def head(
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: dict[bytes, bytes] | None = None,
) -> Head:
    return Head(Authority("http", "writer", 80), method, path, headers or JSON, query)


def rpc(method: str = "SendMessage", **params: Any) -> bytes:
    params = params or {"message": MESSAGE}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def hooked(url: str) -> bytes:
    hook = {"taskPushNotificationConfig": {"url": url}}
    return rpc(message=MESSAGE, configuration=hook)


def test_a_message_is_a_call() -> None:
    call = classify_a2a(WRITER, head(), rpc())
    assert call.resource == AgentCall("writer")
    assert (call.charge.agent_calls, call.target, call.rpc_method) == (1, "writer", "SendMessage")
    assert call.body == rpc()


def test_looking_at_a_task_is_none() -> None:
    call = classify_a2a(WRITER, head(), rpc("GetTask", id="t-1"))
    assert call.resource == AgentLook("writer")
    assert call.charge.agent_calls == 0


def test_the_address_for_users_is_no_agents() -> None:
    call = classify_a2a(AgentPlace("writer", chat=True), head(), rpc())
    assert call.barred is not None
    assert "http://writer/" in call.barred.advice


@pytest.mark.parametrize(
    ("at", "body"),
    [
        (head(), rpc("Dance")),
        (head("GET", "/tasks/x/unknown"), b""),
        (head(headers={**JSON, b"a2a-version": b"9.9"}), rpc()),
    ],
)
def test_what_is_not_understood_is_barred(at: Head, body: bytes) -> None:
    call = classify_a2a(WRITER, at, body)
    assert call.barred is not None
    assert call.barred.reason is Reason.NOT_ALLOWED
    assert not call.strays


def test_a_card_is_asked_for_without_a_body() -> None:
    at = head("GET", "/.well-known/agent-card.json")
    call = classify_a2a(WRITER, at, b"")
    assert call.a2a is not None
    assert call.a2a.binding is Binding.CARD
    with pytest.raises(Malformed, match="no body"):
        classify_a2a(WRITER, at, b"{}")


@pytest.mark.parametrize("path", ["/message:send", "/v1/message:send"])
def test_rest_goes_by_its_path(path: str) -> None:
    call = classify_a2a(WRITER, head(path=path), json.dumps({"message": MESSAGE}).encode())
    assert call.resource == AgentCall("writer")
    assert call.a2a is not None
    assert call.a2a.binding is Binding.REST


def test_json_rpc_at_any_other_path() -> None:
    call = classify_a2a(WRITER, head(path="/a2a/rpc", query="x=1"), rpc())
    assert call.a2a is not None
    assert call.a2a.binding is Binding.JSONRPC
    assert call.path == b"/a2a/rpc?x=1"


@pytest.mark.parametrize(
    ("at", "body"),
    [
        (head(path="/message:send/"), json.dumps({"message": MESSAGE}).encode()),
        (head(), b"[" + rpc() + b"]"),
        (head(), b'{"jsonrpc": "2.0"'),
        (head("GET", "/%2e%2e/tasks"), b""),
        (head(query="A2A-Version=0.3", headers={**JSON, b"a2a-version": b"1.0"}), rpc()),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(at: Head, body: bytes) -> None:
    with pytest.raises(Malformed):
        classify_a2a(WRITER, at, body)


@pytest.mark.parametrize(
    "declared",
    [b"text/plain", b"application/json; charset=utf-7", b"application/json; charset=utf-16"],
)
def test_what_is_not_declared_as_json_in_utf_8_is_refused(declared: bytes) -> None:
    with pytest.raises(Malformed, match="Content-Type"):
        classify_a2a(WRITER, head(headers={b"content-type": declared}), rpc())


@pytest.mark.parametrize(
    "headers",
    [
        {b"accept": b"*/*"},
        {b"content-type": b"application/json; charset=utf-8"},
        {b"content-type": b"application/a2a+json"},
    ],
)
def test_json_under_its_names_or_none(headers: dict[bytes, bytes]) -> None:
    assert classify_a2a(WRITER, head(headers=headers), rpc()).callee == "writer"


def test_the_version_may_be_in_the_query() -> None:
    call = classify_a2a(WRITER, head(query="a2a-version=1.0"), rpc())
    assert call.a2a is not None
    assert call.a2a.version == "1.0"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example/a?b", "hooks.example"),
        ("http://Hooks.Example:8080", "hooks.example"),
        ("http://[::1]/x", "::1"),
    ],
)
def test_a_webhook_is_a_target_like_any_other(url: str, host: str) -> None:
    assert classify_a2a(WRITER, head(), hooked(url)).also == (HttpCall(host),)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/",
        "hooks.example",
        "http://",
        "http:///evil.example/",
        "http://evil.example\\@hooks.example/",
        "http://evil.example@hooks.example/",
        "http://hooks.example\\.evil.example/",
        "http:\\\\evil.example/",
        "http://[::1/",
        "http://h%6foks.example/",
        "http://0x7f.1/",
        "http://hooks.example:x/",
    ],
)
def test_a_webhook_that_readers_could_disagree_on_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="push notifications"):
        classify_a2a(WRITER, head(), hooked(url))


@pytest.mark.parametrize(("method", "understood"), [("SendMessage", True), ("Dance", False)])
def test_an_agent_that_nobody_registered(method: str, understood: bool) -> None:
    message = read_body(rpc(method))
    assert isinstance(message, Message)
    call = unknown_agent(head(), message, rpc(method))
    assert call.strays
    assert (call.a2a is not None) is understood
    assert call.resource == HttpCall("writer")


# -- the callee -------------------------------------------------------------------------------

SECRETS = [f"amz_writer.{n:016}" for n in range(20)]
KEYS = tuple(hashlib.sha256(one.encode()).hexdigest() for one in SECRETS)


def callee(
    status: AgentStatus | None = AgentStatus.APPROVED, port: int = 9100, keys: int = 1
) -> Callee:
    return Callee("writer", status, "10.0.0.5", port, KEYS[:keys], 1)


def test_a_callee_is_where_it_is_registered() -> None:
    hop = reached(callee(), b"/x?y")
    assert hop.refused is None
    assert hop.way is not None
    assert (str(hop.way.authority), hop.way.path) == ("http://10.0.0.5:9100", b"/x?y")
    assert hop.way.private


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (AgentStatus.PENDING, "pending"),
        (AgentStatus.QUARANTINED, "quarantined"),
        (None, "not known"),
    ],
)
def test_a_callee_that_may_not_work(status: AgentStatus | None, word: str) -> None:
    hop = reached(callee(status), b"/")
    assert hop.way is None
    assert hop.refused is not None
    assert word in hop.refused.message


def test_a_callee_that_listens_nowhere() -> None:
    hop = reached(callee(port=0), b"/")
    assert hop.refused is not None
    assert not hop.refused.denied


@pytest.mark.parametrize(("keys", "signed"), [(0, 0), (1, 1), (3, 3), (20, 20)])
def test_a_callee_is_told_who_calls_in_which_turn(keys: int, signed: int) -> None:
    headers = dict(told_to_callee(TURN_KEY, "me", callee(keys=keys), "ab" * 16, "cd" * 8, 2))
    token = headers[b"x-amaze-turn"].decode()
    mine = turn.verify(TURN_KEY, token)
    assert mine is not None
    assert (mine.agent_id, mine.depth, mine.parent_span) == ("writer", 2, "cd" * 8)
    signature = headers[b"x-amaze-caller-signature"].decode()
    good = [
        key
        for key in KEYS
        for one in signature.split(",")
        if callers.verify(bytes.fromhex(key), one, "me", "writer", token)
    ]
    assert good == list(KEYS[:signed])


# -- the answer -------------------------------------------------------------------------------

EVENTS = b"text/event-stream"
ERROR = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32001, "message": "no"}}'
ANSWER = b'{"jsonrpc": "2.0", "id": 1, "result": {}}'


def handling(call: Call | None = None, at: Head | None = None) -> A2aHandling:
    call = call or classify_a2a(WRITER, head(), rpc())
    assert call.a2a is not None
    return A2aHandling(call, call.a2a, at or head())


@pytest.mark.parametrize(("body", "burns"), [(ANSWER, True), (ERROR, False)])
def test_an_answer_passes_and_an_error_burns_no_step(body: bytes, burns: bool) -> None:
    found = handling()
    assert found.whole(b"application/json", body) is None
    assert found.used().burn_step is burns
    assert found.card_urls() == ()


@pytest.mark.parametrize(("body", "burns"), [(ANSWER, True), (ERROR, False)])
def test_a_stream_passes_and_an_error_burns_no_step(body: bytes, burns: bool) -> None:
    found = handling()
    assert found.reader(b"application/json") is None
    reader = found.reader(EVENTS)
    assert reader is not None
    event = b"data: " + body + b"\n\n"
    assert reader.feed(event) == event
    assert found.used().burn_step is burns


def test_a_card_says_where_its_agent_is() -> None:
    card = classify_a2a(WRITER, head("GET", "/.well-known/agent-card.json"), b"")
    found = handling(card)
    assert found.whole(b"application/json", b'{"name": "w", "url": "http://x:1/"}') is None
    assert found.card_urls() == ("http://x:1/",)
    assert found.used().burn_step


def test_what_came_encoded_is_sent_as_it_was_read() -> None:
    assert handling().edited() is None
    encoded = head(headers={b"content-encoding": b"gzip"})
    assert handling(at=encoded).edited() == rpc()
