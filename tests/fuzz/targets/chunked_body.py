"""A chunked body that we accept, h11 reads as the same bytes, ending at the same place."""

from __future__ import annotations

from collections.abc import Iterable

import h11

from amaze_proxy.wire.bodies import ChunkedBody
from amaze_proxy.wire.fields import Malformed
from tests.fuzz.pieces import bytewise

_LIMIT = 1 << 20
_HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def check(data: bytes) -> None:
    whole = _read([data])
    in_pieces = _read(bytewise(data))
    if whole is None:
        assert in_pieces is None, "refused in one piece, accepted in many"
        return
    payload, rest = whole
    assert len(payload) <= _LIMIT
    assert data.endswith(rest)
    assert in_pieces is not None, "accepted in one piece, refused in many"
    assert in_pieces[0] == payload
    assert _by_h11(data) == (payload, rest)


def _read(pieces: Iterable[bytes]) -> tuple[bytes, bytes] | None:
    """(payload, what follows the body); None: refused, or not at its end."""
    body = ChunkedBody(_LIMIT)
    payload = b""
    try:
        for piece in pieces:
            got, rest = body.feed(piece)
            payload += got
            if body.done:
                return payload, rest
            assert not rest
    except Malformed:
        pass
    return None


def _by_h11(data: bytes) -> tuple[bytes, bytes]:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * len(data) + 100)
    connection.receive_data(_HEAD + data)
    payload = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            payload += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return payload, connection.trailing_data[0]
        else:
            assert isinstance(event, h11.Request), "h11 wants more, or refuses"
