"""Request and response heads of HTTP/1.1: the strict reader, sans-IO.

h11 lets several ambiguous messages through, and costs more than everything else we do to a
request; so the grammar is here, stricter than h11's, and the tests hold the two against each
other: what this module accepts, h11 accepts with the same meaning.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from amaze_proxy.wire.fields import (
    TOKEN,
    Headers,
    Malformed,
    content_length,
    explain,
    is_chunked,
    keeps_alive,
    read_request_fields,
    read_response_fields,
)
from amaze_proxy.wire.ingress import FaultKind
from amaze_proxy.wire.limits import Limits

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"})

_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])\r\n" % TOKEN)
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?\r\n")
_METHOD_BEGINS = re.compile(rb"%b(?: |\Z)" % TOKEN)
_BARE_LF = re.compile(rb"(?<!\r)\n")


# Not frozen: these are made for every message, and a frozen __init__ costs several times more.
@dataclass(slots=True)
class RequestHead:
    """One request head. `headers` has end-to-end fields only; `version` is the minor version.

    `content_length` None and not `chunked`: no body.
    """

    method: str
    target: bytes
    version: int
    headers: Headers
    host: bytes | None
    proxy_authorization: bytes | None
    via: bytes
    content_length: int | None
    chunked: bool
    keep_alive: bool
    expects_continue: bool


@dataclass(slots=True)
class ResponseHead:
    """One response head. `until_close`: the body ends where the connection does."""

    status: int
    headers: Headers
    content_length: int | None
    chunked: bool
    until_close: bool
    keep_alive: bool


def parse_request_head(head: bytes, limits: Limits) -> RequestHead:
    """The request whose head is `head`, up to and with the empty line. Raises Malformed."""
    if head.find(b"\n") > limits.request_line_bytes:
        raise Malformed("the request line is too long", FaultKind.URI_TOO_LONG)
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise _bad_request_line(head)
    fields = read_request_fields(head[line.end() : -2], limits.header_count)
    method_bytes, target, minor = line.groups()
    method = method_bytes.decode("ascii")
    if method not in METHODS:
        raise Malformed(f"the method {method[:20]} is refused", FaultKind.UNSUPPORTED_METHOD)
    version = 1 if minor == b"1" else 0
    watched = fields.watched
    host = watched.get(b"host")
    if host is None and version and method != "CONNECT":
        raise Malformed("an HTTP/1.1 request without Host")
    chunked = is_chunked(fields, version)
    length = content_length(fields)
    if method == "CONNECT" and (chunked or length is not None):
        raise Malformed("a CONNECT with Content-Length or Transfer-Encoding")
    expect = watched.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise Malformed("an Expect other than 100-continue")
    if b"upgrade" in watched:
        _refuse_upgrade(watched[b"upgrade"])
    return RequestHead(
        method,
        target,
        version,
        fields.kept,
        host,
        watched.get(b"proxy-authorization"),
        watched.get(b"via", b""),
        length,
        chunked,
        keeps_alive(fields, version),
        expect is not None and version == 1,
    )


def parse_response_head(head: bytes, method: str, max_fields: int) -> ResponseHead:
    """The response to a `method` request, 1xx included. Raises Malformed."""
    line = _STATUS_LINE.match(head)
    if line is None:
        raise Malformed("the status line is malformed")
    fields = read_response_fields(head[line.end() : -2], max_fields)
    version = 1 if line[1] == b"1" else 0
    status = int(line[2])
    chunked = is_chunked(fields, version)
    length = content_length(fields)
    bodyless = method == "HEAD" or status < 200 or status in (204, 304)
    until_close = not bodyless and not chunked and length is None
    return ResponseHead(
        status,
        fields.kept,
        length,
        chunked and not bodyless,
        until_close,
        keeps_alive(fields, version) and not until_close,
    )


def _refuse_upgrade(value: bytes) -> None:
    # h2c may be ignored (RFC 9110 §7.8), and curl and Java offer it unasked; a WebSocket client
    # could do nothing with an ordinary answer.
    if value.lower() != b"h2c":
        raise Malformed("a protocol upgrade (WebSocket): this proxy carries plain HTTP only")


def _bad_request_line(head: bytes) -> Malformed:
    line = head.split(b"\n", 1)[0]
    if line.startswith(b"PRI * HTTP/2"):
        return Malformed("HTTP/2: this proxy speaks HTTP/1.1", FaultKind.NOT_HTTP)
    if b" HTTP/" not in line:
        return Malformed("these bytes are not an HTTP/1.1 request", FaultKind.NOT_HTTP)
    if _BARE_LF.search(head) is not None or re.search(rb"[^\x20-\x7e\r]", line) is not None:
        return Malformed(explain(line + b"\n"))
    return Malformed("the request line is not method, target, HTTP/1.0 or HTTP/1.1")


class HeadReader:
    """Gathers bytes until a head is whole; refuses early what cannot become one."""

    __slots__ = ("_buffer", "_limits", "_searched")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffer = b""
        self._searched = 0

    @property
    def buffered(self) -> bytes:
        """What has come and has not been taken."""
        return self._buffer

    def feed(self, data: bytes) -> None:
        """Add bytes from the client."""
        self._buffer = self._buffer + data if self._buffer else data

    def take_rest(self) -> bytes:
        """All that is buffered: it belongs to what follows the head."""
        rest, self._buffer, self._searched = self._buffer, b"", 0
        return rest

    def next_head(self) -> bytes | None:
        """The next whole head (with its empty line), or None: more bytes needed.

        Raises Malformed when the bytes so far can no longer become a head.
        """
        buffer = self._buffer
        # RFC 9112 §2.2: one empty line before the request line is ignored.
        start = 2 if buffer.startswith(b"\r\n") else 0
        end = buffer.find(b"\r\n\r\n", max(start, self._searched - 3))
        if end < 0:
            self._refuse_early(buffer[start:] if start else buffer)
            self._searched = len(buffer)
            return None
        end += 4
        if end - start > self._limits.head_bytes:
            raise self._too_large(buffer)
        self._buffer, self._searched = buffer[end:], 0
        return buffer[start:end]

    def _refuse_early(self, part: bytes) -> None:
        if not part or part == b"\r":
            return
        if len(part) > self._limits.request_line_bytes and b"\n" not in part:
            raise Malformed("the request line is too long", FaultKind.URI_TOO_LONG)
        if len(part) > self._limits.head_bytes:
            raise self._too_large(part)
        if _METHOD_BEGINS.match(part) is None or (len(part) > 64 and b" " not in part[:64]):
            raise Malformed("these bytes are not an HTTP/1.1 request", FaultKind.NOT_HTTP)
        if b"\n" in part and _REQUEST_LINE.match(part) is None:
            raise _bad_request_line(part)
        if _BARE_LF.search(part, max(0, self._searched - 4)) is not None:
            raise Malformed("a line ends in a bare LF")

    def _too_large(self, buffer: bytes) -> Malformed:
        if buffer.find(b"\n", 2) > self._limits.request_line_bytes:
            return Malformed("the request line is too long", FaultKind.URI_TOO_LONG)
        return Malformed("the header section is too large", FaultKind.HEADERS_TOO_LARGE)
