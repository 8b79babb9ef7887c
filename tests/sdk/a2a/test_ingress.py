from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from amaze import current_turn
from amaze.a2a.ingress import A2aService
from amaze.callers import Hop, NotVerified
from amaze.server import NoHandler, Request, Response
from hypothesis import given
from hypothesis import strategies as st

SIGNED = {"x-amaze-caller-signature": "valid"}
TEXT_1_0 = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}
TEXT_0_3 = {
    "message": {"role": "user", "kind": "message", "parts": [{"kind": "text", "text": "hi"}]}
}
TEXT_0_2 = {"id": "t", "message": {"role": "user", "parts": [{"type": "text", "text": "hi"}]}}


def verify(headers: Mapping[str, str]) -> Hop:
    if headers.get("x-amaze-caller-signature") != "valid":
        raise NotVerified("invalid-caller", "the caller's signature is missing or wrong")
    return Hop("two", "t1")


def reply(caller: str, message: Any) -> Any:
    match message:
        case "fail":
            raise ValueError("the password is hunter2")
        case "object":
            return object()
        case "unhandled":
            raise NoHandler("this agent has no function receive_message_from_agent")
        case "turn":
            return current_turn()
        case _:
            return {"from": caller, "said": message}


service = A2aService("one", verify, reply)
SAID = {"from": "two", "said": "hi"}


def post(content: Any, path: str = "/", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return service(Request("POST", path, SIGNED | named, body))


def call(method: str, params: Any, **headers: str) -> Any:
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = post(request, **headers)
    assert answer.status == 200
    content = json.loads(answer.body)
    assert (content["jsonrpc"], content["id"]) == ("2.0", 7)
    return content


def event(answer: Response) -> Any:
    assert (answer.status, answer.media_type) == (200, "text/event-stream")
    assert answer.body.startswith(b"data: ")
    assert answer.body.endswith(b"\n\n")
    assert answer.body.count(b"\n") == 2
    return json.loads(answer.body[6:])


def text(words: str) -> dict[str, Any]:
    return {"message": {"parts": [{"text": words}]}}


@pytest.mark.parametrize("path", ["/", "/a2a"])
def test_1_0(path: str) -> None:
    request = {"jsonrpc": "2.0", "id": "a", "method": "SendMessage", "params": TEXT_1_0}
    answer = json.loads(post(request, path).body)
    message = answer["result"]["message"]
    assert (answer["id"], message["role"]) == ("a", "ROLE_AGENT")
    assert message["parts"] == [{"data": SAID}]
    assert message["messageId"]
    assert "contextId" not in message


def test_0_3() -> None:
    message = call("message/send", TEXT_0_3)["result"]
    assert (message["kind"], message["role"]) == ("message", "agent")
    assert message["parts"] == [{"kind": "data", "data": SAID}]


def test_0_2() -> None:
    task = call("tasks/send", TEXT_0_2)["result"]
    part = {"type": "data", "data": SAID}
    assert (task["id"], task["status"]["state"]) == ("t", "completed")
    assert task["status"]["message"] == {"role": "agent", "parts": [part]}
    assert task["artifacts"] == [{"index": 0, "parts": [part]}]


def test_a_conversation_keeps_its_id() -> None:
    for context_id, kept in (("c", "c"), ("", None), (1, None)):
        params = {"message": {**TEXT_1_0["message"], "contextId": context_id}}
        assert call("SendMessage", params)["result"]["message"].get("contextId") == kept


@pytest.mark.parametrize(
    ("method", "params"),
    [("SendStreamingMessage", TEXT_1_0), ("message/stream", TEXT_0_3)],
)
def test_streams_have_one_event(method: str, params: Any) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    result = event(post(request))["result"]
    assert result.get("message", result)["parts"][0]["data"] == SAID


def test_the_event_of_0_2_is_final() -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "tasks/sendSubscribe", "params": TEXT_0_2}
    result = event(post(request))["result"]
    assert (result["id"], result["final"], result["status"]["state"]) == ("t", True, "completed")


def test_rest() -> None:
    answer = post(TEXT_1_0, "/message:send")
    assert json.loads(answer.body)["message"]["parts"] == [{"data": SAID}]
    assert event(post(TEXT_1_0, "/message:stream"))["message"]["parts"] == [{"data": SAID}]


def test_the_handler_runs_in_the_calls_turn() -> None:
    assert call("SendMessage", text("turn"))["result"]["message"]["parts"] == [{"text": "t1"}]
    assert current_turn() is None


def test_a_call_that_proves_nothing_is_not_looked_at() -> None:
    unsigned = {"x_amaze_caller_signature": "forged"}
    error = call("SendMessage", text("fail"), **unsigned)["error"]
    assert error["code"] == -32050
    assert error["data"][0]["metadata"] == {"reason": "invalid-caller"}
    assert call("NoMethod", {}, **unsigned)["error"]["code"] == -32050
    answer = post(TEXT_1_0, "/message:send", **unsigned)
    assert (answer.status, json.loads(answer.body)["reason"]) == (403, "invalid-caller")
    assert json.loads(answer.body)["error"]["status"] == "PERMISSION_DENIED"


def test_a_streams_error_is_an_event() -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "message/stream", "params": text("fail")}
    assert event(post(request))["error"]["code"] == -32603


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("GetTask", -32001),
        ("tasks/cancel", -32001),
        ("tasks/pushNotificationConfig/set", -32003),
        ("ListTasks", -32004),
        ("GetExtendedAgentCard", -32007),
        ("sendmessage", -32601),
    ],
)
def test_other_methods(method: str, code: int) -> None:
    assert call(method, {})["error"]["code"] == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff", -32700),
        (b"[" * 100_000, -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": NaN}', -32700),
        (b"[]", -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "SendMessage"}', -32600),
        (b'{"jsonrpc": "2.0", "method": "SendMessage"}', -32600),
        (b'{"jsonrpc": "2.0", "id": true, "method": "SendMessage"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": null}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "SendMessage"}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {}}', -32602),
    ],
)
def test_what_is_no_call(body: bytes, code: int) -> None:
    assert json.loads(post(body).body)["error"]["code"] == code


@pytest.mark.parametrize(
    ("version", "spoken"),
    [("1.0", True), ("1.0.1", True), ("0.3", True), ("", True), ("2.0", False), ("x", False)],
)
def test_versions(version: str, spoken: bool) -> None:
    answer = call("SendMessage", TEXT_1_0, a2a_version=version)
    assert ("result" in answer) is spoken
    assert spoken or answer["error"]["code"] == -32009


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [("fail", -32603, 500), ("object", -32603, 500), ("unhandled", -32004, 501)],
)
def test_a_failing_handler_tells_no_secrets(words: str, code: int, status: int) -> None:
    error = call("SendMessage", text(words))["error"]
    assert error["code"] == code
    assert "hunter2" not in json.dumps(error)
    answer = post(text(words), "/message:send")
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, status)
    assert b"hunter2" not in answer.body


def get(path: str) -> tuple[int, Any]:
    answer = service(Request("GET", path))
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize("name", ["agent-card.json", "agent.json"])
def test_the_card_is_for_both_generations(name: str) -> None:
    status, card = get(f"/.well-known/{name}")
    assert (status, card["name"], card["url"]) == (200, "one", "http://one/")
    assert {
        (one["url"], one["protocolBinding"], one["protocolVersion"])
        for one in card["supportedInterfaces"]
    } == {
        ("http://one/", "JSONRPC", "1.0"),
        ("http://one/", "HTTP+JSON", "1.0"),
        ("http://one/", "JSONRPC", "0.3"),
    }


def test_other_paths() -> None:
    assert get("/health") == (200, {"status": "ok", "agent_id": "one"})
    assert get("/")[0] == 404
    assert get("/tasks/t1")[0] == 404
    assert post(TEXT_1_0, "/chat").status == 404


bodies = st.binary(max_size=50) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["jsonrpc", "id", "method", "params", "message", "parts", "text"]),
            inner | st.sampled_from(["2.0", "SendMessage", "message/stream"]),
        )
    ),
).map(lambda value: json.dumps(value).encode())


@given(bodies, st.sampled_from(["/", "/message:send", "/message:stream"]), st.booleans())
def test_every_body_has_an_answer(body: bytes, path: str, signed: bool) -> None:
    answer = service(Request("POST", path, SIGNED if signed else {}, body))
    assert answer.status in (200, 400, 403)
    content = answer.body.removeprefix(b"data: ")
    assert json.loads(content)
    assert signed or b'"error"' in content
