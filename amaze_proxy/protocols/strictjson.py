"""JSON as the strictest reader would read it (RFC 8259, with the choices of RFC 7493, I-JSON).

A body that two readers could understand differently is a way round every decision made on it:
duplicate keys, keys that differ only in case, a byte order mark, UTF-16, NaN, a second document
after the first. All of these are refused, not repaired.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from math import isinf
from typing import NoReturn, TypeAlias

from amaze_proxy.protocols.content import decode_content
from amaze_proxy.protocols.errors import Malformed, TooLarge

__all__ = [
    "JsonObject",
    "JsonValue",
    "check_size",
    "decode_content",
    "dumps",
    "parse",
    "parse_object",
    "reject_variants",
]

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, JsonValue]

# Three bytes of JSON can take a hundred of memory, and parsing them holds up everybody else.
MOST_VALUES = 500_000  # the tokens of the largest request for embeddings, and more
MOST_CONTAINERS = 100_000

# An unterminated string runs to the end, so that no byte is looked at twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ONE_KIND = bytes.maketrans(b"{}", b"[]")


def _object(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Malformed(f"the key {twice[:64]!r} appears more than once in one JSON object")
    return members


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise Malformed(f"the number {text[:32]} is out of range")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_number
)


def parse(body: bytes, max_depth: int = 64) -> JsonValue:
    """The one JSON document in `body`, or Malformed.

    Refused: anything but UTF-8 without a byte order mark, duplicate keys at any level, NaN and
    Infinity (also as a number too large for a double), integers too long to read (Python's limit
    of 4,300 digits), lone surrogates, more than `max_depth` nested arrays and objects. TooLarge:
    more than `MOST_VALUES` members and elements, or `MOST_CONTAINERS` arrays and objects.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        raise Malformed("the JSON begins with a byte order mark")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(f"the JSON is not UTF-8 (byte {error.start})") from None
    check_size(body)
    if _containers(body) > max_depth:
        _check_depth(body, max_depth)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos}") from None
    except Malformed:
        raise
    except ValueError:  # int() of more digits than it reads
        raise Malformed("an integer in the JSON has too many digits") from None
    if b"\\ud" in body or b"\\uD" in body:
        _check_surrogates(value)
    return value


def parse_object(body: bytes, max_depth: int = 64) -> JsonObject:
    """`parse`, for a body that must be a JSON object."""
    value = parse(body, max_depth)
    if not isinstance(value, dict):
        raise Malformed("the body is not a JSON object")
    return value


def check_size(body: bytes) -> None:
    """TooLarge for a body of more values than are ever built in memory, whoever reads it."""
    if _containers(body) > MOST_CONTAINERS or body.count(b",") > MOST_VALUES:
        _check_count(_STRING.sub(b"", body))


def _containers(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _check_count(body: bytes) -> None:
    if body.count(b",") > MOST_VALUES or _containers(body) > MOST_CONTAINERS:
        raise TooLarge("the JSON has too many values to be read")


def _check_depth(body: bytes, max_depth: int) -> None:
    # The brackets outside of strings, as one kind; each pass takes off the innermost level. The
    # parser behind this sees whether the kinds match.
    levels = _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(max_depth):
        levels = levels.replace(b"[]", b"")
        if not levels:
            return
    raise Malformed(f"the JSON is nested deeper than {max_depth} levels, or its brackets differ")


def _check_surrogates(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("the JSON has a lone surrogate in a string") from None


def dumps(value: JsonValue) -> bytes:
    """Compact JSON in UTF-8."""
    # surrogatepass cannot happen here: `parse` refuses lone surrogates; an answer read leniently
    # may have one, and its escape is the only way to write it
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def reject_variants(obj: JsonObject, known: frozenset[str]) -> None:
    """Refuses a key that is a known key but for case, Unicode folding or white space around it.

    Some readers (Go's encoding/json is one) take such a key for the known one. `known` are
    lower-case ASCII identifiers.
    """
    if obj.keys() <= known:
        return
    for key in obj:
        plain = key.isascii() and key.isidentifier() and key.islower()
        if not plain and key not in known and (folded := _fold(key)) in known:
            raise Malformed(f"the key {key[:64]!r} is not spelled {folded!r}")


def _fold(key: str) -> str:
    shown = (c for c in unicodedata.normalize("NFKC", key) if unicodedata.category(c)[0] != "C")
    # upper case first: the dotless i, which folds to itself, is an I there
    return "".join(shown).strip().upper().casefold()
