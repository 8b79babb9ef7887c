"""A message has one kind and one meaning, and our own answers read as what they are."""

from __future__ import annotations

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, read_body
from amaze_proxy.protocols.strictjson import dumps
from tests.fuzz.pieces import alike, plain_json


def check(data: bytes) -> None:
    try:
        read = read_body(data)
    except Malformed:
        return
    messages = read if isinstance(read, tuple) else (read,)
    assert 0 < len(messages) <= jsonrpc.MOST_MESSAGES
    documents = [message.document for message in messages]
    whole = documents if isinstance(read, tuple) else documents[0]
    assert alike(plain_json(data), whole)
    assert alike(read_body(dumps(whole)), read)
    for message in messages:
        _check_message(message)


def _check_message(message: Message) -> None:
    document = message.document
    assert document["jsonrpc"] == "2.0"
    asks = "method" in document
    assert asks != ("result" in document or "error" in document)
    assert (message.kind is MessageKind.RESPONSE) == (not asks)
    assert (message.kind is MessageKind.NOTIFICATION) == (asks and "id" not in document)
    assert alike(document.get("id"), message.id)
    if message.kind is MessageKind.REQUEST:
        assert message.id is not None
        answer = jsonrpc.read(jsonrpc.result(message.id, message.params))
        assert (answer.id, answer.failed) == (message.id, False)
        refusal = jsonrpc.read(jsonrpc.error(message.id, -31403, message.method))
        assert (refusal.id, refusal.failed) == (message.id, True)
