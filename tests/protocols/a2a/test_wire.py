"""All recorded requests and answers of the real SDKs, read as what they were."""

import json

from amaze_proxy.protocols import a2a, jsonrpc
from amaze_proxy.protocols.a2a import A2aRequest, Binding


def asked(request: dict) -> A2aRequest:
    method, path, version = request["http"], request["path"], request["version"]
    body = b"" if request["body"] is None else json.dumps(request["body"]).encode()
    match Binding(request["binding"]):
        case Binding.JSONRPC:
            return a2a.classify_rpc(jsonrpc.read_body(body), version)
        case Binding.REST:
            return a2a.classify_rest(method, path, request["query"], version, body)
        case Binding.CARD:
            assert a2a.is_card(method, path)
            return a2a.card_request(method, path)


def test_a_request_is_what_the_sdk_meant(exchange):
    request, expected = asked(exchange["request"]), exchange["expect"]
    assert (request.binding, request.operation) == (
        exchange["request"]["binding"],
        expected["operation"],
    )
    assert (request.version, request.stream) == (expected["version"], expected["stream"])
    assert request.push_urls == tuple(expected["push_urls"])
    assert (request.context_id, request.task_id) == (expected["context_id"], expected["task_id"])
    if request.binding is Binding.JSONRPC:
        assert request.id == exchange["request"]["body"]["id"]
    assert a2a.text_of(exchange["request"]["body"] or {}) == expected["text"]


def test_an_answer_is_what_the_agent_meant(exchange):
    request, answer = asked(exchange["request"]), exchange["answer"]
    body = answer["body"].encode()
    if not answer["sse"]:
        assert a2a.failed(request, body) == answer["failed"]
        return
    stream = a2a.Stream(request)
    assert stream.feed(body) + stream.end() == body
    assert stream.complete
    assert stream.failed == answer["failed"]


def test_the_last_event_completes_a_stream_before_its_end(finished):
    body = finished["answer"]["body"]
    last = body.rstrip().rfind("\n\n") + 1
    stream = a2a.Stream(asked(finished["request"]))
    stream.feed(body[:last].encode())
    assert not stream.complete
    stream.feed(body[last:].encode())
    assert stream.complete


def test_the_interfaces_of_recorded_cards_are_found(exchange):
    if exchange["expect"]["operation"] not in ("AgentCard", "GetExtendedAgentCard"):
        assert a2a.interfaces(exchange["answer"]["body"].encode()) == ()
        return
    card = json.loads(exchange["answer"]["body"])
    found = a2a.interfaces(json.dumps(card.get("result", card)).encode())
    assert "http://echo/rpc" in found
    assert set(found) <= {"http://echo/rpc", "http://echo/rest"}
