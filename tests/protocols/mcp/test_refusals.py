import json

import pytest

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.mcp import McpHead, classify, ping_instead, refusal_body
from amaze_proxy.protocols.mcp.asking import Asked
from amaze_proxy.protocols.mcp.refusals import refused_answer
from amaze_proxy.protocols.refusal import Refusal

REFUSAL = Refusal(
    "tool-not-allowed",
    "The tool 'rm' is not allowed — ask.",
    "d-1",
    {"policy_version": 3, "reason": "forged"},
)
DECIDED = {"policy_version": 3, "reason": "tool-not-allowed", "decision_id": "d-1"}


def test_a_tool_call_gets_a_result_that_is_an_error(ask):
    body = json.loads(refusal_body(ask("tools/call", {"name": "rm"}, request_id="x"), REFUSAL))
    assert body == {
        "jsonrpc": "2.0",
        "id": "x",
        "result": {
            "resultType": "complete",
            "isError": True,
            "content": [{"type": "text", "text": REFUSAL.message}],
            "_meta": {"dev.amaze/decision": DECIDED},
        },
    }


@pytest.mark.parametrize(
    ("method", "params"),
    [("tools/list", {}), ("initialize", {}), ("resources/read", {"uri": "a:b"})],
)
def test_other_requests_get_an_error(ask, method, params):
    assert json.loads(refusal_body(ask(method, params), REFUSAL)) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -31403, "message": REFUSAL.message, "data": DECIDED},
    }


@pytest.mark.parametrize(
    "document", [{"method": "notifications/initialized"}, {"id": 1, "result": {}}]
)
def test_nobody_answers_notifications_and_replies(document):
    request = classify(jsonrpc.read({"jsonrpc": "2.0", **document}), McpHead())
    assert refusal_body(request, REFUSAL) == b""


ASKED = [
    Asked("sampling/createMessage", None, "no sampling", b""),
    Asked("sampling/createMessage", None, "no sampling", b""),
    Asked("elicitation/create", None, "no forms", b""),
]
ANSWER = jsonrpc.read({"jsonrpc": "2.0", "id": 7, "result": {}})
TEXT = "The server's answer was withheld: no sampling; no forms"
DENIED = {"denied": ["sampling/createMessage", "elicitation/create"]}


def test_a_tool_result_that_asks_too_much_becomes_a_tool_error(ask):
    body = refused_answer(ask("tools/call", {"name": "a"}), ANSWER, ASKED)
    assert body["id"] == 7
    result = body["result"]
    assert (result["isError"], result["resultType"]) == (True, "complete")
    assert result["content"] == [{"type": "text", "text": TEXT}]
    assert result["_meta"] == {"dev.amaze/decision": DENIED}


@pytest.mark.parametrize("method", [None, "tasks/list"])
def test_other_results_that_ask_too_much_become_an_error(ask, method):
    body = refused_answer(ask(method) if method else None, ANSWER, ASKED)
    assert body["error"] == {"code": -31403, "message": TEXT, "data": DENIED}


def test_a_ping_has_the_id_that_it_is_given():
    message = jsonrpc.read_body(ping_instead("amaze-1"))
    assert (message.kind, message.id, message.method) == ("request", "amaze-1", "ping")
