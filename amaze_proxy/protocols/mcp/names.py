"""Names that a request decides on."""

from __future__ import annotations

import re
from urllib.parse import unquote

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

_LONGEST_NAME = 256
_LONGEST_URI = 4096
_SEPARATORS = re.compile(r"[/\\?#]")


def a_name(params: JsonObject, key: str) -> str:
    """The name of a tool, a prompt or a task."""
    return _text(params.get(key), key, _LONGEST_NAME)


def a_uri(value: JsonValue, key: str) -> str:
    """The URI of a resource, or the template of one."""
    uri = _text(value, key, _LONGEST_URI)
    # RFC 3986 §6.2.2.3: `a/../b` is `b` to whoever opens it, and below `a` to a rule on its text.
    # Decoded once more, since decoding twice is a common fault of servers.
    for text in (uri, unquote(uri), unquote(unquote(uri))):
        if not {".", ".."}.isdisjoint(_SEPARATORS.split(text)):
            raise Malformed(f"{key!r} has a dot segment ('.' or '..')")
    return uri


def _text(value: JsonValue, key: str, longest: int) -> str:
    if not isinstance(value, str) or not value:
        raise Malformed(f"{key!r} must be a text that is not empty")
    if len(value) > longest:
        raise Malformed(f"{key!r} is longer than {longest} characters")
    # What cannot be seen hides a name from a rule, and from who reads the record.
    if not value.isprintable() or value != value.strip():
        raise Malformed(f"{key!r} has invisible characters, or white space around it")
    return value
