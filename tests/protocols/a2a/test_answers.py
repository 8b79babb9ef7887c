import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols import sse
from amaze_proxy.protocols.a2a import A2aRequest, Binding, Operation, Stream, failed
from amaze_proxy.protocols.errors import TooLarge

RPC = A2aRequest(Binding.JSONRPC, Operation.STREAM, "1.0", "SendStreamingMessage", 1, True)
REST = A2aRequest(Binding.REST, Operation.STREAM, "1.0", "POST /message:stream", None, True)


def event(document, name=""):
    return sse.format(sse.Event(event=name, data=json.dumps(document)))


def answer(result):
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def state(name, **more):
    return {"status": {"state": name}, **more}


LAST = [
    {"message": {"parts": []}},
    {"msg": {"parts": []}},
    {"kind": "message", "parts": []},
    {"statusUpdate": state("TASK_STATE_COMPLETED")},
    {"statusUpdate": state("TASK_STATE_CANCELLED")},
    {"statusUpdate": state("TASK_STATE_INPUT_REQUIRED", final=True)},
    {"task": state("TASK_STATE_REJECTED")},
    state("completed", kind="status-update", final=False),
    state("input-required", kind="status-update", final=True),
    state("failed", kind="task"),
    state("canceled", id="t"),
]
NOT_LAST = [
    {"statusUpdate": state("TASK_STATE_WORKING")},
    {"statusUpdate": state("TASK_STATE_INPUT_REQUIRED")},
    {"statusUpdate": state(7, final="true")},
    {"artifactUpdate": {"artifact": {}, "lastChunk": True}},
    {"task": state("TASK_STATE_SUBMITTED")},
    state("working", kind="status-update", final=False),
    {"kind": "artifact-update", "artifact": {}},
    {"x": 1},
]


@pytest.mark.parametrize("result", LAST)
def test_the_last_event_completes_a_stream(result):
    for request, document in ((RPC, answer(result)), (REST, result)):
        stream = Stream(request)
        wire = event(document)
        assert stream.feed(wire) == wire
        assert (stream.complete, stream.failed) == (True, False)


@pytest.mark.parametrize("result", NOT_LAST)
def test_other_events_do_not_until_the_stream_ends(result):
    for request, document in ((RPC, answer(result)), (REST, result)):
        stream = Stream(request)
        stream.feed(event(document))
        assert not stream.complete
        assert stream.end() == b""
        assert (stream.complete, stream.failed) == (True, False)


def test_only_what_is_wrapped_counts_in_json_rpc():
    stream = Stream(RPC)
    stream.feed(event({"message": {"parts": []}}))
    assert not stream.complete


@pytest.mark.parametrize("request_", [RPC, REST])
@pytest.mark.parametrize(
    "wire", [event({"error": {"code": 1}}), event({"anything": 1}, "error"), event({"error": "no"})]
)
def test_an_error_ends_a_stream(request_, wire):
    stream = Stream(request_)
    stream.feed(wire)
    assert (stream.complete, stream.failed) == (True, True)


def test_a_null_error_is_none():
    stream = Stream(RPC)
    stream.feed(event({**answer({"message": {"parts": []}}), "error": None}))
    assert (stream.complete, stream.failed) == (True, False)
    assert not failed(RPC, json.dumps({**answer({}), "error": None}).encode())


@pytest.mark.parametrize("wire", [b"", b": ping\n\n", b"data: x\n\n", b"data: []\n\n", b"\n\n"])
def test_a_stream_without_an_event_is_not_complete(wire):
    stream = Stream(RPC)
    stream.feed(wire)
    stream.end()
    assert (stream.complete, stream.failed) == (False, False)


def test_an_event_without_its_blank_line_is_read_at_the_end():
    stream = Stream(REST)
    stream.feed(event({"error": {}}).rstrip())
    assert not stream.failed
    stream.end()
    assert (stream.complete, stream.failed) == (True, True)


def test_an_event_without_end_is_too_large(monkeypatch):
    stream = Stream(REST)
    with pytest.raises(TooLarge):
        stream.feed(b"data: " + b"x" * sse.MAX_EVENT)


documents = st.sampled_from([*map(answer, LAST + NOT_LAST), *LAST, *NOT_LAST, {"error": {}}])
pieces = documents.map(event) | st.sampled_from([b": ping\n\n", b"data: x\r\n\r\n", b"data"])


@given(
    st.lists(pieces, max_size=5).map(b"".join),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from([RPC, REST]),
)
def test_however_a_stream_is_cut_it_means_the_same(wire, cuts, request_):
    def read(cuts):
        stream, passed = Stream(request_), b""
        ends = sorted({min(cut, len(wire)) for cut in cuts} | {0, len(wire)})
        for start, end in pairwise(ends):
            passed += stream.feed(wire[start:end])
        told = (stream.complete, stream.failed)
        assert passed + stream.end() == wire
        return told, stream.complete, stream.failed

    assert read(cuts) == read([])


@pytest.mark.parametrize(
    ("request_", "body", "expected"),
    [
        (RPC, answer({}), False),
        (RPC, answer(None), False),
        (RPC, {"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}, True),
        (RPC, {"x": 1}, True),
        (RPC, {"jsonrpc": "2.0", "id": 1}, False),
        (REST, {"task": {}}, False),
        (REST, {}, False),
        (REST, {"error": {"code": 403}}, True),
        (REST, [], True),
    ],
)
def test_a_whole_answer_tells_whether_it_failed(request_, body, expected):
    assert failed(request_, json.dumps(body).encode()) is expected


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"[" * 100_000, b"null"])
def test_what_cannot_be_read_failed(body):
    assert failed(RPC, body)
    assert failed(REST, body)


@pytest.mark.parametrize("method", ["HEAD /.well-known/agent.json", "DELETE /tasks/t/x/c"])
def test_some_answers_have_no_body(method):
    request = A2aRequest(Binding.REST, Operation.PUSH_DELETE, "1.0", method)
    assert not failed(request, b"")
    assert failed(request, b"x")


@given(st.binary())
def test_no_answer_breaks_the_reader(body):
    assert failed(RPC, body) in (True, False)
    stream = Stream(RPC)
    assert stream.feed(body) + stream.end() == body
