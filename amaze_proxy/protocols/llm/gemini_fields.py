"""The members of Gemini's requests, which the API reads in camelCase and in snake_case alike
(ProtoJSON: "parsers accept both the lowerCamelCase name and the original proto field name")."""

from __future__ import annotations

import re
import unicodedata

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

_WORD_START = re.compile(r"(?<=[a-z0-9])([A-Z])")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)


def snake(name: str) -> str:
    """`googleSearch` and `google_search` as `google_search`. Raises Malformed for no name."""
    if not _NAME.fullmatch(name):
        raise Malformed(f"the key {name[:64]!r} is not the name of a member")
    return _WORD_START.sub(r"_\1", name).lower()


def _folded(key: str) -> str:
    shown = (c for c in unicodedata.normalize("NFKC", key) if unicodedata.category(c)[0] != "C")
    return "".join(shown).strip().casefold().replace("_", "")


class Members:
    """The members of one kind of object that are decided on, by their names in snake_case."""

    def __init__(self, *names: str) -> None:
        self._spelled: dict[str, str] = {}  # each spelling to its name
        for name in names:
            first, *rest = name.split("_")
            self._spelled[name] = self._spelled[first + "".join(map(str.capitalize, rest))] = name
        self._folded = {name.replace("_", "") for name in names}

    def read(self, document: JsonObject) -> JsonObject:
        """Those that `document` has, by name; null is absent. Raises Malformed for one that is
        there in both spellings, or in a third."""
        found: JsonObject = {}
        for key, value in document.items():
            name = self._spelled.get(key)
            if name is None:
                self._check(key)
            elif name in found:
                raise Malformed(f"the key {key!r} is there in two spellings")
            else:
                found[name] = value
        return {name: value for name, value in found.items() if value is not None}

    def spelling(self, document: JsonObject, name: str) -> str:
        """How `document` spells the name; in camelCase if it does not have it."""
        spellings = [key for key, known in self._spelled.items() if known == name]
        return next((key for key in spellings if key in document), spellings[-1])

    def _check(self, key: str) -> None:
        if _folded(key) in self._folded:
            raise Malformed(f"the key {key[:64]!r} is neither in camelCase nor in snake_case")


def child(members: JsonObject, name: str, known: Members) -> JsonObject:
    """A member that is an object, read by `known`; {} if it is absent."""
    value = members.get(name)
    return {} if value is None else known.read(_object(value, name))


def children(members: JsonObject, name: str) -> list[JsonObject]:
    """A member that is a list of objects; [] if it is absent."""
    value = members.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{name!r} must be a list")
    return [_object(item, name) for item in value]


def _object(value: JsonValue, name: str) -> JsonObject:
    if not isinstance(value, dict):
        raise Malformed(f"{name!r} must hold JSON objects")
    return value
