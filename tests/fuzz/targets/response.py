"""A response that we accept, h11 reads alike; chunking does not matter."""

from __future__ import annotations

from collections.abc import Iterable

import h11

from amaze_proxy.wire.fields import Malformed
from amaze_proxy.wire.response_reader import ResponseReader
from tests.fuzz.pieces import bytewise, choose

_METHODS = ("GET", "HEAD", "POST")
_Answer = tuple[int, bytes, bool]


def check(data: bytes) -> None:
    method, wire = choose(data, _METHODS)
    whole = _read(method, [wire])
    in_pieces = _read(method, bytewise(wire))
    if whole is None:
        assert in_pieces is None, "refused in one piece, accepted in many"
        return
    reader, payload = whole
    assert in_pieces is not None, "accepted in one piece, refused in many"
    assert in_pieces[1] == payload
    assert in_pieces[0].head == reader.head
    if reader.reusable:  # else bytes may follow that nobody asked for
        assert reader.head is not None
        assert _by_h11(method, wire) == (reader.head.status, payload)


def _read(method: str, pieces: Iterable[bytes]) -> tuple[ResponseReader, bytes] | None:
    reader = ResponseReader(method)
    try:
        payload = b"".join([reader.feed(piece) for piece in pieces])
        reader.end(in_order=True)
    except Malformed:
        return None
    assert reader.done
    return reader, payload


def _by_h11(method: str, wire: bytes) -> tuple[int, bytes]:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * len(wire) + 100)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(wire)
    status, payload = 0, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, payload
        else:
            assert isinstance(event, h11.InformationalResponse), "h11 wants more"
