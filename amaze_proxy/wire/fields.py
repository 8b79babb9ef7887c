"""The field section of an HTTP/1.1 head, read strictly: one meaning, or none.

Pure: bytes in, fields out. Whatever two parsers could read differently is refused rather than
repaired (RFC 9112 §2.2, §5, §6, §11.2; RFC 9110 §5.5, §7.6.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from amaze_proxy.wire.ingress import FaultKind

Headers = list[tuple[bytes, bytes]]

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

_REQUEST_FIELDS = re.compile(rb"(?:%b:[\t\x20-\x7e]*+\r\n)*+" % TOKEN)
_RESPONSE_FIELDS = re.compile(rb"(?:%b:[\t\x20-\x7e\x80-\xff]*+\r\n)*+" % TOKEN)
_OPTIONS = re.compile(rb"[ \t,]*(?:%b[ \t]*(?:,[ \t,]*|$))*" % TOKEN)
_LENGTH = re.compile(rb"[0-9]{1,15}")

# Never forwarded, whatever Connection says (RFC 9110 §7.6.1, §11.7). Upgrade is read, not passed.
HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"proxy-authentication-info",
    }
)
_LISTS = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"upgrade", b"via"}
)
# Two lines of these would let us and the next reader pick different ones.
_SINGLE = frozenset(
    {b"host", b"content-length", b"content-type", b"content-encoding", b"authorization", b"expect"}
)
_WATCHED = HOP_BY_HOP | _LISTS | _SINGLE
# Besides: a client's Expect is answered by us, a response's framing is ours.
_REQUEST_DROPS = HOP_BY_HOP | {b"expect"}
_RESPONSE_DROPS = HOP_BY_HOP | {b"content-length"}
_PLAIN_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te"})
# A client that has these stripped as "connection options" would change what was decided on.
_NOT_OPTIONS = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"host",
        b"proxy-authorization",
        b"transfer-encoding",
        b"via",
        b"x-api-key",
    }
)


class Malformed(ValueError):
    """The bytes are not HTTP that has exactly one meaning. `str()` says what is wrong."""

    def __init__(self, detail: str, kind: FaultKind = FaultKind.MALFORMED) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(slots=True)
class FieldSection:
    """`kept`: end-to-end fields in order, names in lower case. `watched`: the value of each field
    that means something to the wire (lists of several lines joined)."""

    kept: Headers
    watched: dict[bytes, bytes]
    options: frozenset[bytes]


def read_request_fields(block: bytes, max_count: int) -> FieldSection:
    """The fields of a request; `block` is whole lines, CRLF included. Raises Malformed."""
    if _REQUEST_FIELDS.fullmatch(block) is None:
        raise Malformed(explain(block))
    return _read(block, max_count, _REQUEST_DROPS)


def read_response_fields(block: bytes, max_count: int) -> FieldSection:
    """The fields of a response. Values may have obs-text (RFC 9110 §5.5): it frames nothing, and
    file names in Content-Disposition have it. Raises Malformed."""
    if _RESPONSE_FIELDS.fullmatch(block) is None:
        raise Malformed(explain(block))
    return _read(block, max_count, _RESPONSE_DROPS)


def valid_trailers(block: bytes) -> bool:
    """Whether `block` is a well-formed trailer section (which is then dropped)."""
    return _REQUEST_FIELDS.fullmatch(block) is not None


def valid_outgoing(block: bytes) -> bool:
    """Whether fields that we are about to write are whole lines, and only those."""
    return _RESPONSE_FIELDS.fullmatch(block) is not None


def _read(block: bytes, max_count: int, drops: frozenset[bytes]) -> FieldSection:
    kept: Headers = []
    watched: dict[bytes, bytes] = {}
    lines = block.split(b"\r\n")
    lines.pop()
    if len(lines) > max_count:
        raise Malformed(f"more than {max_count} header fields", FaultKind.HEADERS_TOO_LARGE)
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        if name in _WATCHED or name.startswith(b"x-amaze-"):
            if name in watched:
                if name not in _LISTS:
                    raise Malformed(f"more than one {name.decode()} field")
                watched[name] += b", " + value
            else:
                watched[name] = value
            if name in drops:
                continue
        kept.append((name, value))
    connection = watched.get(b"connection")
    if connection is None:
        return FieldSection(kept, watched, frozenset())
    options = _connection_options(connection)
    if not options <= _PLAIN_OPTIONS:
        kept = [field for field in kept if field[0] not in options]
    return FieldSection(kept, watched, options)


@lru_cache(maxsize=256)
def _connection_options(value: bytes) -> frozenset[bytes]:
    if _OPTIONS.fullmatch(value) is None:
        raise Malformed("the Connection field is not a list of tokens")
    options = frozenset(o for o in re.split(rb"[ \t,]+", value.lower()) if o)
    for option in options:
        if option in _NOT_OPTIONS or option.startswith(b"x-amaze-"):
            raise Malformed(f"the Connection field names {option.decode()}")
    return options


def content_length(fields: FieldSection) -> int | None:
    """The declared length; None when there is none. Raises Malformed (RFC 9112 §6.3)."""
    value = fields.watched.get(b"content-length")
    if value is None:
        return None
    if _LENGTH.fullmatch(value) is None:
        raise Malformed("Content-Length is not one decimal number")
    return int(value)


def is_chunked(fields: FieldSection, minor_version: int) -> bool:
    """Whether the body is chunked. Raises Malformed for any other transfer coding, for one in
    HTTP/1.0 and for one beside a Content-Length (RFC 9112 §6.1)."""
    value = fields.watched.get(b"transfer-encoding")
    if value is None:
        return False
    if value.lower() != b"chunked":
        raise Malformed("a Transfer-Encoding other than chunked")
    if minor_version == 0:
        raise Malformed("Transfer-Encoding in an HTTP/1.0 message")
    if b"content-length" in fields.watched:
        raise Malformed("both Content-Length and Transfer-Encoding")
    return True


def keeps_alive(fields: FieldSection, minor_version: int) -> bool:
    """Whether the connection may serve another message (RFC 9112 §9.3)."""
    if minor_version:
        return b"close" not in fields.options
    return b"keep-alive" in fields.options and b"close" not in fields.options


def explain(block: bytes) -> str:
    """Which rule a field section (or a part of one) breaks, in words."""
    for rule, words in _RULES:
        if rule.search(block) is not None:
            return words
    return "a header line is not name: value"


_RULES = (
    (re.compile(rb"(?<!\r)\n"), "a line ends in a bare LF"),
    (re.compile(rb"\r(?!\n|\Z)"), "a bare CR in the head"),
    (re.compile(rb"(?:\A|\n)[ \t]"), "a folded header line (obs-fold)"),
    (re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"), "a control byte in the head"),
    (re.compile(rb"[\x80-\xff]"), "a byte outside ASCII in the head"),
    (re.compile(rb"(?:\A|\n)[^\r\n:]*[ \t]:"), "white space before the colon of a header field"),
)
