"""Content codings of HTTP bodies (RFC 9110 §8.4), bounded."""

from __future__ import annotations

import zlib

from amaze_proxy.protocols.errors import Malformed, TooLarge

_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_SMALL = 64 * 1024  # below this, no ratio is a bomb


def decode_content(
    body: bytes, encodings: str | None, max_size: int, max_ratio: int = 100
) -> bytes:
    """`body` without its content coding, at most `max_size` bytes.

    `encodings` is the value of Content-Encoding, or None. One coding is undone: gzip or deflate
    (the zlib format, as RFC 9110 §8.4.1.2 has it); another one, or two on top of each other, is
    Malformed. More than `max_size` bytes is TooLarge; more than `max_ratio` times the compressed
    size (beyond 64 KiB) is Malformed.
    """
    names = [name.strip().lower() for name in (encodings or "").split(",")]
    codings = [name for name in names if name not in ("", "identity")]
    if len(codings) > 1:
        raise Malformed("more than one content-encoding")
    if not codings:
        if len(body) > max_size:
            raise TooLarge(f"the body is larger than {max_size} bytes")
        return body
    if codings[0] not in _WINDOW:
        raise Malformed(f"unknown content-encoding {codings[0][:32]!r}")
    return _inflate(body, _WINDOW[codings[0]], max_size, max_ratio)


def _inflate(body: bytes, window: int, max_size: int, max_ratio: int) -> bytes:
    allowed = min(max_size, max(_SMALL, max_ratio * len(body)))
    inflater = zlib.decompressobj(window)
    try:
        content = inflater.decompress(body, allowed + 1)
    except zlib.error:
        raise Malformed("the body is not of its content-encoding") from None
    if len(content) > max_size:
        raise TooLarge(f"the body is larger than {max_size} bytes when decompressed")
    if len(content) > allowed:
        raise Malformed(f"the body is compressed more than {max_ratio} times")
    # Readers differ on what follows the first stream (RFC 1952 §2.2 lets members follow).
    if not inflater.eof or inflater.unused_data:
        raise Malformed("the compressed body is cut off, or something follows it")
    return content
