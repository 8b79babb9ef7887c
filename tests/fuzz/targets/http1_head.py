"""A request head that we accept, h11 accepts with the same meaning; chunking does not matter."""

from __future__ import annotations

import h11

from amaze_proxy.wire.fields import HOP_BY_HOP, Malformed
from amaze_proxy.wire.http1 import METHODS, HeadReader, RequestHead, parse_request_head
from amaze_proxy.wire.limits import Limits
from tests.fuzz.pieces import bytewise

_LIMITS = Limits()


def check(data: bytes) -> None:
    whole = _read([data])
    if whole is None:
        assert _read(bytewise(data)) is None, "refused in one piece, accepted in many"
        return
    head, raw, rest = whole
    assert data.removeprefix(b"\r\n").startswith(raw)
    assert data.endswith(raw + rest)
    in_pieces = _read(bytewise(data))
    assert in_pieces is not None, "accepted in one piece, refused in many"
    assert in_pieces[:2] == (head, raw)
    _same_to_h11(head, raw)


def _read(pieces) -> tuple[RequestHead, bytes, bytes] | None:
    reader = HeadReader(_LIMITS)
    try:
        for piece in pieces:
            reader.feed(piece)
            raw = reader.next_head()
            if raw is not None:
                return parse_request_head(raw, _LIMITS), raw, reader.buffered
    except Malformed:
        pass
    return None


def _same_to_h11(head: RequestHead, raw: bytes) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * len(raw))
    connection.receive_data(raw)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert head.method in METHODS
    assert event.method.decode() == head.method
    assert event.target == head.target
    assert event.http_version == (b"1.1" if head.version else b"1.0")
    fields = [(name, value) for name, value in event.headers if name not in HOP_BY_HOP]
    assert [field for field in fields if field in head.headers] == head.headers
    assert not {name for name, _ in head.headers} & HOP_BY_HOP
    _same_framing(head, event)
    named = [value for name, value in event.headers if name == b"host"]
    assert named == ([] if head.host is None else [head.host])


def _same_framing(head: RequestHead, event: h11.Request) -> None:
    lengths = [value for name, value in event.headers if name == b"content-length"]
    if head.content_length is None:
        assert not lengths
    else:
        assert list(map(int, lengths)) == [head.content_length]
    codings = [value for name, value in event.headers if name == b"transfer-encoding"]
    assert codings == ([b"chunked"] if head.chunked else [])
    assert not (lengths and codings)
