from __future__ import annotations

import json
from typing import Any

import pytest
from amaze import SendError
from amaze.a2a.reply import reply_of
from amaze.orchestrator import Answer
from hypothesis import given
from hypothesis import strategies as st

PARTS = [{"text": "hi"}]


def answer(result: Any) -> Answer:
    return Answer(200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode())


@pytest.mark.parametrize(
    ("result", "reply"),
    [
        ({"message": {"parts": PARTS}}, "hi"),
        ({"message": {"parts": [{"data": {"a": [1]}}]}}, {"a": [1]}),
        ({"kind": "message", "parts": [{"kind": "text", "text": "hi"}]}, "hi"),
        ({"task": {"status": {"state": "TASK_STATE_COMPLETED"}}}, ""),
        (
            {
                "task": {
                    "status": {"state": "TASK_STATE_COMPLETED", "message": {"parts": PARTS}},
                    "artifacts": [{"parts": [{"data": 1}]}],
                }
            },
            1,
        ),
        (
            {
                "task": {
                    "status": {"state": "TASK_STATE_COMPLETED"},
                    "artifacts": [{"parts": [{"text": "a"}]}, {"parts": [{"text": "b"}]}],
                }
            },
            "a\nb",
        ),
        (
            {"kind": "task", "status": {"state": "input-required", "message": {"parts": PARTS}}},
            "hi",
        ),
        (
            {
                "task": {
                    "status": {"state": "TASK_STATE_AUTH_REQUIRED", "message": {"parts": PARTS}}
                }
            },
            "hi",
        ),
    ],
)
def test_replies(result: Any, reply: Any) -> None:
    assert reply_of(answer(result)) == reply


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "bad-answer"),
        ([], "bad-answer"),
        ({}, "bad-answer"),
        ({"message": {"parts": [{}]}}, "bad-answer"),
        ({"task": {}}, "bad-answer"),
        ({"status": "completed"}, "bad-answer"),
        ({"task": {"status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [{}]}}, "bad-answer"),
        ({"task": {"status": {}}}, "bad-answer"),
        ({"task": {"status": {"state": "TASK_STATE_WORKING"}}}, "bad-answer"),
        ({"status": {"state": "submitted"}}, "bad-answer"),
        ({"task": {"status": {"state": "TASK_STATE_REJECTED"}}}, "task-rejected"),
        ({"status": {"state": "failed", "message": {"parts": PARTS}}}, "task-failed"),
    ],
)
def test_what_is_no_reply(result: Any, reason: str) -> None:
    with pytest.raises(SendError) as caught:
        reply_of(answer(result))
    assert (caught.value.status, caught.value.reason) == (502, reason)


def refusal(error: Any, status: int = 200, **more: Any) -> SendError:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error, **more}).encode()
    with pytest.raises(SendError) as caught:
        reply_of(Answer(status, body))
    assert caught.value.body == body.decode()
    return caught.value


@pytest.mark.parametrize(
    ("reason", "status"),
    [("not-allowed", 403), ("edge_loop_exceeded", 429), ("upstream-timeout", 504)],
)
def test_a_refusal_of_the_platform(reason: str, status: int) -> None:
    data = ["x", {"metadata": 1}, {"@type": "t", "metadata": {"reason": reason}}]
    error = refusal({"code": -32050, "message": "ask your operator", "data": data})
    assert (error.status, error.reason) == (status, reason)
    assert str(error) == f"{status} {reason}: ask your operator"


def test_an_error_of_the_other_agent() -> None:
    error = refusal({"code": -32603, "message": "the agent failed: KeyError"})
    assert (error.status, error.reason) == (502, "agent-error")
    assert "KeyError" in str(error)
    assert refusal({"code": -32050}).reason == "refused"
    assert refusal({"message": 1, "data": {}}).reason == "agent-error"


def test_a_plain_refusal() -> None:
    body = {"error": {"message": "not allowed: ask"}, "reason": "not-allowed", "decision_id": "d"}
    with pytest.raises(SendError) as caught:
        reply_of(Answer(403, json.dumps(body).encode()))
    assert (caught.value.status, caught.value.reason) == (403, "not-allowed")
    assert str(caught.value) == "403 not-allowed: not allowed: ask"


def test_an_answer_of_something_else() -> None:
    with pytest.raises(SendError, match="502 send-failed: <html>") as caught:
        reply_of(Answer(502, b"<html>\xff"))
    assert caught.value.body == "<html>\ufffd"


MEMBERS = ["result", "error", "task", "status", "state", "message", "parts", "text", "code"]
MORE = ["data", "metadata", "reason", "artifacts", "jsonrpc"]
json_values = st.recursive(
    st.none() | st.integers() | st.sampled_from(["working", "completed", "hi"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*MEMBERS, *MORE]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from([200, 302, 403, 500]))
def test_any_answer_is_a_reply_or_a_send_error(content: Any, status: int) -> None:
    try:
        reply = reply_of(Answer(status, json.dumps(content).encode()))
    except SendError:
        return
    assert status == 200
    assert json.loads(json.dumps(reply)) == reply
