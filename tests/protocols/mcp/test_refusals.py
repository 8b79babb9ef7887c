import json

import pytest

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp import (
    VERSIONS,
    HeaderMismatch,
    McpHead,
    NotUnderstood,
    RpcFault,
    UnknownVersion,
    classify,
    ping_instead,
    refusal_body,
    rpc_fault,
)
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
    ("error", "version", "told"),
    [
        (NotUnderstood("a/b"), "", RpcFault(-32601, 200)),
        (NotUnderstood("a/b"), "2025-11-25", RpcFault(-32601, 200)),
        (NotUnderstood("a/b"), "2026-07-28", RpcFault(-32601, 404)),
        (HeaderMismatch("no"), "2026-07-28", RpcFault(-32020, 400)),
        (
            UnknownVersion("v9"),
            "",
            RpcFault(-32022, 400, {"supported": ["2026-07-28"], "requested": "v9"}),
        ),
        (
            UnknownVersion("2025-06-19"),
            "",
            RpcFault(-32022, 400, {"supported": [*VERSIONS[:-1]], "requested": "2025-06-19"}),
        ),
        (Malformed("no"), "2025-11-25", RpcFault(-32602, 400)),
    ],
)
def test_what_a_server_would_refuse_is_refused_in_its_words(ask, error, version, told):
    assert rpc_fault(error, version) == told
    body = json.loads(refusal_body(ask("tools/call", {"name": "a"}), REFUSAL, told))
    assert body["error"] == {
        "code": told.code,
        "message": REFUSAL.message,
        "data": {**told.data, **DECIDED},
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
