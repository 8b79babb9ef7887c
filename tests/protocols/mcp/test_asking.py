import json

import pytest

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.asking import Asked, refused_inputs, refused_request

SAMPLE = "sampling/createMessage"
ELICIT = "elicitation/create"
REFUSED = {SAMPLE: "no sampling"}


def request(method):
    return jsonrpc.read({"jsonrpc": "2.0", "id": "s-1", "method": method})


@pytest.mark.parametrize(
    "method",
    ["ping", "roots/list", ELICIT, "tasks/get", "tasks/result", "tasks/list", "tasks/cancel"],
)
def test_what_is_allowed_passes(policy, method):
    assert refused_request(request(method), policy(refused=REFUSED)) is None


@pytest.mark.parametrize(
    ("method", "code"),
    [(SAMPLE, -31403), ("tools/call", -32601), ("Sampling/createMessage", -32601)],
)
def test_a_refused_request_has_the_reply_to_post(policy, method, code):
    asked = refused_request(request(method), policy(refused=REFUSED))
    assert (asked.method, asked.id) == (method, "s-1")
    assert asked.words
    reply = json.loads(asked.reply)
    assert (reply["id"], reply["error"]) == ("s-1", {"code": code, "message": asked.words})


def inputs(*methods):
    return {f"k{n}": {"method": method, "params": {}} for n, method in enumerate(methods)}


@pytest.mark.parametrize(
    "place",
    [
        lambda asks: {"inputRequests": asks},
        lambda asks: {"status": "completed", "result": {"inputRequests": asks}},
        lambda asks: {"task": {"inputRequests": asks}},
    ],
)
def test_what_a_result_asks_is_judged_one_by_one(policy, place):
    may = policy(refused=REFUSED)
    assert refused_inputs(place(inputs(ELICIT, "roots/list")), may) == []
    found = refused_inputs(place(inputs(ELICIT, SAMPLE, "x/y", SAMPLE)), may)
    assert [one.method for one in found] == [SAMPLE, "x/y", SAMPLE]
    assert found[0] == Asked(SAMPLE, None, "no sampling", b"")


@pytest.mark.parametrize("result", [{}, {"inputRequests": None}, {"inputRequests": {}}])
def test_a_result_that_asks_nothing(policy, result):
    assert refused_inputs({**result, "result": "text", "task": None}, policy()) == []


@pytest.mark.parametrize(
    "result",
    [
        {"inputRequests": []},
        {"InputRequests": inputs(ELICIT)},
        {"inputrequests": inputs(ELICIT)},
        {"ResultType": "input_required"},
        {"inputRequests": {"k": None}},
        {"inputRequests": {"k": {}}},
        {"inputRequests": {"k": {"method": 1}}},
        {"inputRequests": {"k": {"method": ELICIT, "Method": SAMPLE}}},
        {"result": {"INPUTREQUESTS": {}}},
    ],
)
def test_what_could_be_read_two_ways_is_refused(policy, result):
    with pytest.raises(Malformed):
        refused_inputs(result, policy())
