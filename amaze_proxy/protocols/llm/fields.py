"""Reading members of JSON objects: strictly in requests, tolerantly in answers."""

from __future__ import annotations

import json
import re

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, reject_variants

_MODEL = re.compile(r"[!-~]{1,256}")
_MAX_INT = 2**31 - 1


def model_name(document: JsonObject, given: str = "") -> str:
    """The member `model`: visible ASCII, since white space around a name hides it from a rule.

    `given` is the model of the URL. It is the one that the provider uses, so it is the answer;
    the member may then be left out.
    """
    value = document.get("model")
    if given and value is None:
        return given
    if not isinstance(value, str) or not _MODEL.fullmatch(value):
        raise Malformed("'model' must be a name of 1 to 256 visible ASCII characters")
    return given or value


def flag(document: JsonObject, name: str) -> bool:
    """A boolean; absent or null is False."""
    value = document.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Malformed(f"{name!r} must be true or false")
    return value


def count(document: JsonObject, name: str, least: int = 0) -> int | None:
    """An integer from `least` to 2**31 - 1; absent or null is None."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MAX_INT:
        raise Malformed(f"{name!r} must be an integer from {least} to {_MAX_INT}")
    return value


def text(document: JsonObject, name: str) -> str:
    """A string that is not empty."""
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name!r} must be a string that is not empty")
    return value


def objects(
    document: JsonObject, name: str, known: frozenset[str], *, required: bool = False
) -> list[JsonObject]:
    """A list of objects without variants of the `known` keys; absent or null is []."""
    value = document.get(name)
    if value is None and not required:
        return []
    if not isinstance(value, list) or (required and not value):
        raise Malformed(f"{name!r} must be a list{' that is not empty' if required else ''}")
    return [_checked(item, name, known) for item in value]


def member(document: JsonObject, name: str, known: frozenset[str]) -> JsonObject | None:
    """An object without variants of the `known` keys; absent or null is None."""
    value = document.get(name)
    return None if value is None else _checked(value, name, known)


def _checked(value: JsonValue, name: str, known: frozenset[str]) -> JsonObject:
    if not isinstance(value, dict):
        raise Malformed(f"{name!r} must hold JSON objects")
    reject_variants(value, known)
    return value


def unique(names: list[str]) -> tuple[str, ...]:
    """The names without repetitions, in order."""
    return tuple(dict.fromkeys(names))


# Answers: what is not of the expected kind counts as absent.


def loads(data: str | bytes) -> JsonObject:
    """A JSON object of an answer; {} for anything else."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def child(document: JsonObject, name: str) -> JsonObject:
    """A member that is an object, else {}."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def children(document: JsonObject, name: str) -> list[JsonObject]:
    """The objects in a member that is a list."""
    value = document.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(document: JsonObject, name: str) -> int | None:
    """A member that is a count (to 2**31 - 1, so that nonsense uses up no budget), else None."""
    value = document.get(name)
    return value if type(value) is int and 0 <= value <= _MAX_INT else None


def string(document: JsonObject, name: str) -> str:
    """A member that is a string, else ""."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def size(value: JsonValue) -> int:
    """UTF-8 bytes of a string; 0 for anything else."""
    if not isinstance(value, str):
        return 0
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def classes(pairs: list[tuple[str, int | None]]) -> tuple[tuple[str, int], ...]:
    """The usage classes that were really used."""
    return tuple((name, used) for name, used in pairs if used)
