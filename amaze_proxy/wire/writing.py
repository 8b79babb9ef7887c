"""Heads and chunks as bytes: what we send is always our own framing (RFC 9112 §6.3, §7.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from http import HTTPStatus

from amaze_proxy.wire.fields import TOKEN, valid_outgoing
from amaze_proxy.wire.ingress import Answer

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TUNNEL_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_METHOD = re.compile(TOKEN.decode())
_TARGET = re.compile(rb"[\x21-\x7e]+")


class UnsafeHead(ValueError):
    """A head that we were asked to write would not be one head."""


@lru_cache(maxsize=512)
def status_line(status: int, phrase: str = "") -> bytes:
    """The status line with a reason phrase; without one, with the registered one."""
    if not phrase:
        with suppress(ValueError):
            phrase = HTTPStatus(status).phrase
    return b"HTTP/1.1 %d %b\r\n" % (status, _UNPRINTABLE.sub(" ", phrase).encode("ascii"))


def response_head(status: int, lines: bytes, framing: bytes, phrase: str = "") -> bytes:
    """A response head of `field_lines`; `framing` is the lines that we add."""
    return b"%b%b%b\r\n" % (status_line(status, phrase), lines, framing)


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request head with exactly these fields. Raises UnsafeHead."""
    if _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise UnsafeHead("the method or the target is malformed")
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode("ascii"), target, field_lines(headers))


def field_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The fields as lines. Raises UnsafeHead."""
    lines = [b"%b: %b\r\n" % field for field in headers]
    block = b"".join(lines)
    # The count sees a value that would bring well-formed lines of its own (response splitting).
    if block.count(b"\n") != len(lines) or not valid_outgoing(block):
        raise UnsafeHead("a header field is not one line of name: value")
    return block


def chunk(data: bytes) -> bytes:
    """One chunk; `data` must not be empty (an empty chunk ends the body)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole_answer(answer: Answer, *, keep_alive: bool, head_only: bool = False) -> bytes:
    """An answer with its framing, ready to send."""
    phrase = _UNPRINTABLE.sub(" ", answer.reason_phrase).encode("ascii")
    return b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\n%b\r\n%b" % (
        answer.status,
        phrase,
        field_lines(field for field in answer.headers if field[0].lower() not in _FRAMING),
        len(answer.body),
        b"" if keep_alive else b"connection: close\r\n",
        b"" if head_only else answer.body,
    )


_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection", b"keep-alive"})
