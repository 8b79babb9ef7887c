"""What is decoded is what the standard library decodes, within the bounds."""

from __future__ import annotations

import gzip
import zlib

from amaze_proxy.protocols.content import decode_content
from amaze_proxy.protocols.errors import Malformed
from tests.fuzz.pieces import choose

_MOST = 1 << 16
_CODINGS = ("gzip", "deflate", "identity", "none", "GZIP", " x-gzip ,", "gzip, gzip", "br")


def check(data: bytes) -> None:
    coding, body = choose(data, _CODINGS)
    _check_made(body)
    try:
        content = decode_content(body, "" if coding == "none" else coding, _MOST)
    except Malformed:
        return
    assert len(content) <= _MOST
    match coding:
        case "gzip" | "GZIP" | " x-gzip ,":
            assert gzip.decompress(body) == content
        case "deflate":
            assert zlib.decompress(body) == content
        case _:
            assert content == body
            assert coding in ("identity", "none")


def _check_made(body: bytes) -> None:
    """What an honest sender sends."""
    if len(body) <= _MOST:
        assert decode_content(gzip.compress(body, mtime=0), "gzip", _MOST) == body
        assert decode_content(zlib.compress(body), "deflate", _MOST) == body
