"""Credentials out of raw bytes that go into a record."""

from __future__ import annotations

import re

HEAD_BYTES = 2048

_MARK = rb"\1[removed]"
# A malformed head has no reliable lines: match at any line start, whatever ends the line, and
# take folded continuation lines with it.
_FIELDS = re.compile(
    rb"(?i)((?:\A|[\r\n])[ \t]*(?:authorization|proxy-authorization|x-amaze-[a-z-]*|cookie"
    rb"|set-cookie|x-api-key|api-key|x-goog-api-key)[ \t]*:)[^\r\n]*(?:[\r\n]+[ \t][^\r\n]*)*"
)
_QUERY = re.compile(rb"(?i)([?&](?:key|api[_-]?key|access_token|token)=)[^&\s]*")
_SCHEMES = re.compile(rb"(?i)(\b(?:basic|bearer)[ \t]+)[^\s,]+")
_OURS = re.compile(rb"(amz_)[A-Za-z0-9._~-]+")
_USER_INFO = re.compile(rb"(//)[^/\s@]*@")


def redacted_head(raw: bytes) -> bytes:
    """The first 2 KiB of `raw` without the values of credentials."""
    text = raw[: 4 * HEAD_BYTES]
    for pattern in (_FIELDS, _QUERY, _SCHEMES, _OURS, _USER_INFO):
        text = pattern.sub(_MARK, text)
    return text[:HEAD_BYTES]
