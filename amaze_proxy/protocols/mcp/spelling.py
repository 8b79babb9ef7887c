"""Keys that are decided on, in camel case and with namespaces too."""

from __future__ import annotations

from functools import cache

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, reject_variants


def exact(document: JsonObject, known: frozenset[str]) -> None:
    """Refuses a key that is a known key but for case, Unicode folding or white space around it.
    `reject_variants`, for known keys that are not all lower case."""
    if not known or document.keys() <= known:
        return
    lowered = _lowered(known)
    odd: JsonObject = {}
    for key in document:
        if key in known:
            continue
        if not (key.isascii() and key.isprintable()):
            odd[key] = None
        elif key.strip().lower() in lowered:
            raise Malformed(f"the key {key[:64]!r} is not spelled as the specification spells it")
    if odd:
        reject_variants(odd, lowered)


@cache
def _lowered(known: frozenset[str]) -> frozenset[str]:
    return frozenset(key.lower() for key in known)


def members(document: JsonObject, name: str, known: frozenset[str]) -> JsonObject:
    """The object `name`, with the `known` keys to the letter; {} if absent or null."""
    value = document.get(name)
    return {} if value is None else an_object(value, name, known)


def an_object(value: JsonValue, what: str, known: frozenset[str] = frozenset()) -> JsonObject:
    """The value, if it is an object that has the `known` keys to the letter."""
    if not isinstance(value, dict):
        raise Malformed(f"{what!r} must be a JSON object")
    exact(value, known)
    return value
