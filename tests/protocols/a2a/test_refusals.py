import json

import pytest

from amaze_proxy.protocols import a2a
from amaze_proxy.protocols.a2a import A2aRequest, Binding, Operation
from amaze_proxy.protocols.refusal import Refusal

REFUSAL = Refusal(
    "not-allowed",
    'aMaze: agent "b" is not allowed\n[not-allowed]',
    "d-1",
    {"policy_version": 3, "limits": [{"name": "calls", "left": 0}], "note": "é"},
)
METADATA = {
    "policy_version": "3",
    "limits": '[{"name":"calls","left":0}]',
    "note": "é",
    "reason": "not-allowed",
    "decisionId": "d-1",
}
OURS = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "NOT_ALLOWED",
    "domain": "amaze",
    "metadata": METADATA,
}
ERROR = {
    "jsonrpc": "2.0",
    "id": 7,
    "error": {"code": -32050, "message": REFUSAL.message, "data": [OURS]},
}


def asked(binding, operation=Operation.SEND):
    return A2aRequest(binding, operation, "1.0", "m", 7, operation.streams)


def test_json_rpc_is_answered_with_an_error_object():
    status, headers, body = a2a.refusal(asked(Binding.JSONRPC), REFUSAL, 403)
    assert (status, dict(headers)[b"content-type"]) == (200, b"application/json")
    assert json.loads(body) == ERROR


def test_a_stream_of_json_rpc_is_one_event():
    request = asked(Binding.JSONRPC, Operation.STREAM)
    status, headers, body = a2a.refusal(request, REFUSAL, 403)
    assert (status, dict(headers)[b"content-type"]) == (200, b"text/event-stream")
    assert body == a2a.stream_refusal(request, REFUSAL)
    assert json.loads(body.removeprefix(b"data: ")) == ERROR
    assert body.endswith(b"}\n\n")


@pytest.mark.parametrize("binding", [Binding.REST, Binding.CARD])
@pytest.mark.parametrize("operation", [Operation.SEND, Operation.STREAM])
@pytest.mark.parametrize(
    ("status", "name"), [(403, "PERMISSION_DENIED"), (504, "DEADLINE_EXCEEDED"), (418, "UNKNOWN")]
)
def test_rest_is_answered_with_a_status(binding, operation, status, name):
    told, headers, body = a2a.refusal(asked(binding, operation), REFUSAL, status)
    assert (told, dict(headers)[b"content-type"]) == (status, b"application/json")
    document = json.loads(body)
    known, ours = document["error"].pop("details")
    assert document["error"] == {"code": status, "status": name, "message": REFUSAL.message}
    assert (known["reason"], known["domain"]) == ("UNSUPPORTED_OPERATION", "a2a-protocol.org")
    assert ours == OURS
    assert (document["reason"], document["decision_id"]) == ("not-allowed", "d-1")
    assert document["message"] == REFUSAL.message


def test_an_error_in_a_stream_of_rest_is_an_error_event():
    event, data = a2a.stream_refusal(asked(Binding.REST), REFUSAL).decode().split("\n", 1)
    assert event == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["message"] == REFUSAL.message


@pytest.mark.parametrize("binding", [Binding.REST, Binding.JSONRPC])
def test_our_own_reader_sees_the_refusal(binding):
    request = asked(binding, Operation.STREAM)
    stream = a2a.Stream(request)
    stream.feed(a2a.stream_refusal(request, REFUSAL))
    assert (stream.failed, stream.complete) == (True, True)
    assert a2a.failed(request, a2a.refusal(asked(binding), REFUSAL, 403)[2])
