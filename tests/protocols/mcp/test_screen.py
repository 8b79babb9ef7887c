import json
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp import Screen, Told, screen

SAMPLE = "sampling/createMessage"
ELICIT = "elicitation/create"
REFUSED = {SAMPLE: "no sampling"}
TOOLS = {"tools": [{"name": "bad"}, {"name": "good", "inputSchema": {}}], "nextCursor": "c"}
GOOD = {"tools": [{"name": "good", "inputSchema": {}}], "nextCursor": "c"}
CALL = ("tools/call", {"name": "good"})


def dump(value) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def answer(result, request_id=7):
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def failure(request_id=7):
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": -32602, "message": "no"}}


def note(method, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


def request(method, request_id="s-1"):
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {}}


def wire(*messages) -> bytes:
    return b"".join(b"event: message\ndata: " + dump(message) + b"\n\n" for message in messages)


def data_of(stream: bytes) -> list:
    lines = stream.decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


@pytest.fixture(scope="session")
def may(policy):
    return policy(tools=("good",), uris=("db://good",), refused=REFUSED)


def run(subject: Screen, *chunks: bytes) -> bytes:
    return b"".join(map(subject.feed, chunks)) + subject.end()


# Whole answers


def test_an_answer_with_nothing_to_change_is_the_same_bytes(ask, may):
    told = Told()
    body = b' {"id": 7, "jsonrpc": "2.0", "result": {"content": []}} '
    assert screen(ask(*CALL), body, may, told) is body
    assert told == Told(complete=True)


def test_a_list_is_filtered(ask, may):
    told = Told()
    shown = screen(ask("tools/list"), dump(answer(TOOLS)), may, told)
    assert json.loads(shown) == answer(GOOD)
    assert told == Told(complete=True)


def test_a_list_of_2026_is_private(ask, may):
    result = {**TOOLS, "resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}
    shown = screen(ask("tools/list", version="2026-07-28"), dump(answer(result)), may, Told())
    told = json.loads(shown)["result"]
    assert told == {**GOOD, "resultType": "complete", "ttlMs": 5000, "cacheScope": "private"}


def test_what_a_tool_returns_is_not_cut(ask, may):
    body = dump(answer({"structuredContent": TOOLS, **TOOLS}))
    assert screen(ask(*CALL), body, may, Told()) is body


@pytest.mark.parametrize("result", [None, [], "x", 1])
def test_a_result_that_is_no_object_passes(ask, may, result):
    body = dump(answer(result))
    assert screen(ask("ping"), body, may, Told()) is body


@pytest.mark.parametrize("request_id", [7, None, "server-error"])
def test_an_error_passes_and_is_told(ask, may, request_id):
    told = Told()
    body = dump(failure(request_id))
    assert screen(ask(*CALL), body, may, told) is body
    assert told == Told(complete=True, failed=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"{}",
        dump([answer({})]),
        dump(answer({}, 8)),
        dump(answer({}, "7")),
        dump(answer({}, "server-error")),
        dump(failure(8)),
        dump(note("notifications/message")),
        dump(request("ping", 7)),
        b'{"jsonrpc":"2.0","id":7,"result":{"tools":[],"tools":[{"name":"bad"}]}}',
        b'{"jsonrpc":"2.0","id":7,"result":{},"Result":{"tools":[{"name":"bad"}]}}',
        dump(answer({"Tools": []})),
        dump(answer({"tools": {"name": "bad"}})),
    ],
)
def test_what_is_no_answer_to_this_request_is_refused(ask, may, body):
    with pytest.raises(Malformed):
        screen(ask("tools/list"), body, may, Told())


def needs(*methods):
    asks = {f"k{n}": {"method": method, "params": {}} for n, method in enumerate(methods)}
    return {"resultType": "input_required", "inputRequests": asks, "requestState": "s"}


def test_a_result_may_ask_for_what_is_allowed(ask, may):
    told = Told()
    body = dump(answer(needs(ELICIT, "roots/list")))
    assert screen(ask(*CALL, version="2026-07-28"), body, may, told) is body
    assert told == Told(complete=True)


def test_a_tool_result_that_asks_too_much_is_replaced(ask, may):
    told = Told()
    body = dump(answer(needs(ELICIT, SAMPLE)))
    shown = json.loads(screen(ask(*CALL, version="2026-07-28"), body, may, told))
    assert (shown["id"], shown["result"]["isError"]) == (7, True)
    assert "no sampling" in shown["result"]["content"][0]["text"]
    assert "inputRequests" not in shown["result"]
    assert [(one.method, one.id, one.reply) for one in told.asked] == [(SAMPLE, None, b"")]
    assert not told.failed


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("prompts/get", {"name": "p"}, needs(SAMPLE)),
        ("tasks/get", {"taskId": "t"}, {"resultType": "complete", **needs(SAMPLE)}),
        ("tasks/result", {"taskId": "t"}, needs(SAMPLE)),
        ("tasks/get", {"taskId": "t"}, {"status": "completed", "result": needs(SAMPLE)}),
    ],
)
def test_another_result_that_asks_too_much_becomes_an_error(ask, may, method, params, result):
    told = Told()
    shown = json.loads(screen(ask(method, params), dump(answer(result)), may, told))
    assert shown["error"]["code"] == -31403
    assert len(told.asked) == 1


# Streams


def test_a_stream_passes_byte_for_byte(ask, may):
    stream = (
        b"\xef\xbb\xbfid: 0\nretry: 3000\ndata: \n\n: ping\r\n\r\n"
        + b"data: "
        + dump(note("notifications/progress", progress=1))
        + b"\r\n\r\n"
        + wire(request(ELICIT), request("roots/list"))
        + b"event: message\nid: 1\ndata: {\ndata: "
        + dump(answer({"content": [{"type": "text", "text": "Größe"}]}))[1:]
        + b"\n\n: bye\n\n"
    )
    told = Told()
    assert run(Screen(ask(*CALL), may, told), stream) == stream
    assert told == Told(complete=True, resumable=True)


@pytest.mark.parametrize(
    ("version", "event", "resumable"),
    [
        ("", b"id: 0\ndata:\n\n", True),
        ("2025-11-25", b"id: 0\ndata:\n\n", True),
        ("2025-11-25", b"data:\n\n", False),
        ("2026-07-28", b"id: 0\ndata:\n\n", False),
    ],
)
def test_a_stream_that_numbers_its_events_may_go_on_elsewhere(ask, may, version, event, resumable):
    told = Told()
    run(Screen(replace(ask(*CALL), version=version), may, told), event)
    assert told == Told(resumable=resumable)


def test_a_last_event_without_a_blank_line_is_judged(ask, may):
    told = Told()
    subject = Screen(ask("tools/list"), may, told)
    assert subject.feed(wire(answer(TOOLS))[:-1]) == b""
    assert data_of(subject.end()) == [answer(GOOD)]
    assert told.complete
    assert subject.end() == b""


def test_what_the_client_may_not_be_asked_is_dropped(ask, may):
    told = Told()
    stream = wire(request(SAMPLE, 3), request("tools/call", "x"), answer({}))
    assert data_of(run(Screen(ask(*CALL), may, told), stream)) == [answer({})]
    assert [(one.method, one.id) for one in told.asked] == [(SAMPLE, 3), ("tools/call", "x")]
    assert all(json.loads(one.reply)["id"] == one.id for one in told.asked)


@pytest.mark.parametrize(
    "message",
    [note("x/y"), note("notifications/tasks/status", **needs(SAMPLE)), note("Notifications/x")],
)
def test_notifications_that_are_none_are_dropped(ask, may, message):
    told = Told()
    assert run(Screen(ask(*CALL), may, told), wire(message)) == b""
    assert len(told.asked) == (1 if "inputRequests" in message["params"] else 0)


@pytest.mark.parametrize("name", ["ping", "endpoint", "Message", "error"])
def test_other_events_are_dropped(ask, may, name):
    stream = b"event: " + name.encode() + b"\ndata: " + dump(request(SAMPLE)) + b"\n\n"
    told = Told()
    assert run(Screen(ask(*CALL), may, told, endpoint=lambda url: url), stream) == b""
    assert told == Told()


def test_a_changed_event_keeps_its_id(may):
    stream = b"id: e-1\nretry: 1\ndata: " + dump(answer(TOOLS)) + b"\n\n"
    shown = run(Screen(None, may, Told()), stream)
    assert shown.startswith(b"event: message\nid: e-1\ndata: ")
    assert data_of(shown) == [answer(GOOD)]


@pytest.mark.parametrize(
    "data",
    [
        b"ok",
        b"[]",
        b"{}",
        dump(answer({}, 8)),
        dump(answer({}, "7")),
        b'{"jsonrpc":"2.0","method":"notifications/x","params":{"a":"\xff"}}',
        b'{"jsonrpc":"2.0","id":7,"result":{},"result":{}}',
    ],
)
def test_events_that_are_no_messages_to_this_request_are_refused(ask, may, data):
    with pytest.raises(Malformed):
        Screen(ask(*CALL), may, Told()).feed(b"data: " + data + b"\n\n")


def test_a_request_is_answered_once(ask, may):
    subject = Screen(ask(*CALL), may, Told())
    subject.feed(wire(answer({})))
    with pytest.raises(Malformed):
        subject.feed(wire(answer({})))


def test_a_replacement_character_of_the_server_is_no_fault(ask, may):
    stream = wire(answer({"content": "\ufffd"}))
    assert run(Screen(ask(*CALL), may, Told()), stream) == stream


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85"])
def test_no_reader_of_lines_sees_an_event_that_was_not_judged(ask, may, odd):
    hidden = f"{odd}{odd}data: {json.dumps(request(SAMPLE))}{odd}{odd}"
    message = answer({"content": hidden})
    stream = f"id: 1{odd}\n".encode() + wire(message)
    shown = run(Screen(ask(*CALL), may, Told()), stream)
    assert data_of(shown) == [message]
    assert len(shown.decode().splitlines()) == shown.count(b"\n")
    assert b"id:" not in shown


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\x1e"])
def test_a_comment_hides_no_event(ask, may, odd):
    stream = f": {odd}data: {{}}{odd}{odd}\n\n".encode()
    assert run(Screen(ask(*CALL), may, Told()), stream) == b""


# 2025-03-26: several messages in one event


def test_messages_of_one_event_are_judged_one_by_one(ask, may):
    told = Told()
    subject = Screen(ask("tools/list"), may, told)
    progress = note("notifications/progress")
    untouched = wire([progress, request("ping")])
    assert subject.feed(untouched) == untouched
    assert subject.feed(wire([request(SAMPLE)])) == b""
    shown = subject.feed(wire([request(SAMPLE), progress, answer(TOOLS)]))
    assert data_of(shown) == [[progress, answer(GOOD)]]
    assert told.complete
    assert len(told.asked) == 2


# GET streams


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (TOOLS, GOOD),
        ({"resources": [{"uri": "db://bad"}]}, {"resources": []}),
        ({**TOOLS, "content": []}, {**TOOLS, "content": []}),
        ({**TOOLS, "structuredContent": 1}, {**TOOLS, "structuredContent": 1}),
    ],
)
def test_answers_on_a_get_stream_are_judged_by_their_shape(may, result, shown):
    told = Told()
    stream = wire(answer(result, 1), failure("b"))
    assert data_of(run(Screen(None, may, told), stream)) == [answer(shown, 1), failure("b")]
    assert told == Told()


def test_a_get_stream_may_not_ask_for_everything(may):
    told = Told()
    shown = run(Screen(None, may, told), wire(request(SAMPLE), answer(needs(SAMPLE), 1)))
    assert [message.get("id") for message in data_of(shown)] == [1]
    assert [one.id for one in told.asked] == ["s-1", None]


def test_the_endpoint_is_what_the_hook_says(may):
    stream = b"event: endpoint\nid: 0\ndata: http://real/messages?session_id=1\n\n"
    subject = Screen(None, may, Told(), endpoint=lambda url: url.removeprefix("http://real"))
    assert run(subject, stream) == b"event: endpoint\nid: 0\ndata: /messages?session_id=1\n\n"
    assert run(Screen(None, may, Told()), stream) == b""


def test_the_hook_may_refuse_an_endpoint(may):
    def refuse(url: str) -> str:
        raise Malformed(url)

    with pytest.raises(Malformed):
        Screen(None, may, Told(), endpoint=refuse).feed(b"event: endpoint\ndata: x\n\n")


def unseal(request_id: str) -> bytes | None:
    return {"sealed": dump(answer({"isError": True}, 5)), "nobody": b""}.get(request_id)


@pytest.mark.parametrize("reply", [answer({}, "sealed"), failure("sealed")])
def test_the_answer_to_our_ping_becomes_the_refusal(may, reply):
    other = (answer({}, "other"), answer({}, 3), request("ping", "sealed"))
    subject = Screen(None, may, Told(), unseal=unseal)
    shown = run(subject, wire(reply, answer({}, "nobody"), *other))
    assert data_of(shown) == [answer({"isError": True}, 5), *other]


def test_only_a_get_stream_is_unsealed(ask, may):
    subject = Screen(ask(*CALL, request_id="sealed"), may, Told(), unseal=unseal)
    stream = wire(answer({}, "sealed"))
    assert run(subject, stream) == stream


# Any stream

notes = st.sampled_from(
    [
        note("notifications/progress"),
        note("notifications/message", data="\u2028 Größe"),
        note("x/y"),
        request(SAMPLE),
        request(ELICIT),
        [request(SAMPLE), note("notifications/progress")],
    ]
)
blocks = st.one_of(
    notes.map(wire),
    st.sampled_from(
        [b": ping\n\n", b": ping\r\n\r\n", b"id: 4\ndata:\n\n", b"event: x\rdata: y\r\r"]
    ),
)
results = st.dictionaries(
    st.sampled_from(["tools", "content", "nextCursor", "ttlMs"]),
    st.lists(
        st.dictionaries(st.just("name"), st.sampled_from(["good", "bad", "\u2028"])), max_size=3
    ),
)


@given(st.lists(blocks, max_size=6), results, st.lists(st.integers(0, 900), max_size=20))
def test_any_cut_of_a_stream_gives_the_same(ask, may, parts, result, cuts):
    stream = b"".join(parts) + wire(answer(result))
    told, told_whole = Told(), Told()
    whole = run(Screen(ask("tools/list"), may, told_whole), stream)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[start:end] for start, end in pairwise(ends)]
    assert run(Screen(ask("tools/list"), may, told), *chunks) == whole
    assert told == told_whole
    assert told.complete
    shown = data_of(whole)[-1]["result"].get("tools", [])
    assert shown == [tool for tool in result.get("tools", []) if tool.get("name") == "good"]


def naive(stream: bytes) -> list:
    """The messages that a reader with other ideas of line ends sees."""
    found, data = [], []
    for line in [*stream.decode("utf-8", "replace").splitlines(), ""]:
        if line.startswith("data:"):
            data.append(line[5:])
        elif not line:
            found.append("\n".join(data))
            data = []
    messages = []
    for one in found:
        try:
            messages.append(json.loads(one))
        except ValueError:
            continue
    return messages


lines = st.sampled_from(
    [b"data: ", b"event: message", b"\n", b"\n\n", b"\r", b"\xff", b"id: 1", b":"]
)
odd = st.sampled_from(["\u2028", "\u2029", "\x85", "\x0b", "\x1c"]).map(str.encode)
json_of = st.sampled_from([dump(answer(TOOLS)), dump(answer({})), dump(request(SAMPLE)), b"{}"])
events = st.tuples(lines | odd, json_of, lines | odd).map(
    lambda parts: b"data: " + b"".join(parts) + b"\n\n"
)


@given(st.lists(lines | odd | json_of | events, max_size=12).map(b"".join))
def test_any_bytes_are_screened_or_refused(ask, may, stream):
    subject = Screen(ask("tools/list"), may, Told())
    shown = b""
    try:
        for position in range(0, len(stream), 50):
            shown += subject.feed(stream[position : position + 50])
        shown += subject.end()
    except Malformed:
        pass
    for message in naive(shown):
        message = message if isinstance(message, dict) else {}
        assert message.get("method") != SAMPLE
        assert "bad" not in json.dumps(message.get("result"))
