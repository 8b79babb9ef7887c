import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.jsonrpc import MessageKind, read_body

REQUEST = b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1}}'


def test_reads_a_request():
    message = read_body(REQUEST)
    assert (message.kind, message.id, message.method) == (MessageKind.REQUEST, 7, "ping")
    assert message.params == {"a": 1}
    assert message.document == json.loads(REQUEST)
    assert not message.failed


def test_reads_a_notification():
    message = read_body(b'{"jsonrpc":"2.0","method":"m"}')
    assert (message.kind, message.id) == (MessageKind.NOTIFICATION, None)
    assert message.params == {}


@pytest.mark.parametrize(
    ("body", "told", "failed"),
    [
        (b'{"jsonrpc":"2.0","id":"a","result":null}', "a", False),
        (b'{"jsonrpc":"2.0","id":0,"error":{"code":1,"message":""}}', 0, True),
        (b'{"jsonrpc":"2.0","id":null,"error":{}}', None, True),
        (b'{"jsonrpc":"2.0","error":{}}', None, True),
    ],
)
def test_reads_a_response(body, told, failed):
    message = read_body(body)
    assert (message.kind, message.id, message.failed) == (MessageKind.RESPONSE, told, failed)


def test_reads_a_batch_in_order():
    messages = read_body(b"[" + REQUEST + b',{"jsonrpc":"2.0","method":"m"}]')
    assert [message.method for message in messages] == ["ping", "m"]


def test_a_batch_is_bounded():
    most = b"[" + b",".join([REQUEST] * jsonrpc.MOST_MESSAGES) + b"]"
    assert len(read_body(most)) == jsonrpc.MOST_MESSAGES
    with pytest.raises(TooLarge):
        read_body(most[:-1] + b"," + REQUEST + b"]")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"[[]]",
        b"{}",
        REQUEST + REQUEST,
        REQUEST + b"\n" + REQUEST,
        b"\xef\xbb\xbf" + REQUEST,
        REQUEST.decode().encode("utf-16"),
        b'{"id":1,"method":"m"}',
        b'{"jsonrpc":2.0,"id":1,"method":"m"}',
        b'{"jsonrpc":"1.0","id":1,"method":"m"}',
        b'{"JSONRPC":"2.0","jsonrpc":"2.0","id":1,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","Method":"n"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","method":"n"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","PARAMS":{}}',
        b'{"jsonrpc":"2.0","id":1,"method":""}',
        b'{"jsonrpc":"2.0","id":1,"method":null}',
        b'{"jsonrpc":"2.0","id":1,"method":["m"]}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":null}',
        b'{"jsonrpc":"2.0","id":null,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"m"}',
        b'{"jsonrpc":"2.0","id":true,"method":"m"}',
        b'{"jsonrpc":"2.0","id":{},"method":"m"}',
        b'{"jsonrpc":"2.0","id":"' + b"x" * 4097 + b'","method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","result":{}}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","error":{}}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        b'{"jsonrpc":"2.0","id":1,"result":{},"params":{}}',
        b'{"jsonrpc":"2.0","id":1,"error":"no"}',
        b'{"jsonrpc":"2.0","id":null,"result":{}}',
        b'{"jsonrpc":"2.0","result":{}}',
    ],
)
def test_refuses_what_two_readers_could_read_differently(body):
    with pytest.raises(Malformed):
        read_body(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "Id", "x"]),
    values | st.just("2.0"),
)


@given(values | members | st.lists(members, max_size=3))
def test_reads_or_refuses_any_json(value):
    try:
        found = read_body(json.dumps(value).encode())
    except Malformed:
        return
    messages = found if isinstance(found, tuple) else (found,)
    assert [message.document for message in messages] == (
        value if isinstance(value, list) else [value]
    )


@given(st.integers() | st.text(max_size=20), values)
def test_what_is_written_reads_as_the_same(request_id, value):
    for document in (
        jsonrpc.result(request_id, value),
        jsonrpc.error(request_id, -1, "no", value),
    ):
        message = jsonrpc.read(document)
        assert (message.kind, message.id) == (MessageKind.RESPONSE, request_id)
    assert document["error"].get("data") == value
    assert message.failed


def test_an_error_without_data_has_none():
    assert jsonrpc.error(None, -1, "no") == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -1, "message": "no"},
    }
