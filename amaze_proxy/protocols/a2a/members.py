"""Members of JSON objects in the spellings that A2A's readers take for the same one.

Readers made from its Protocol Buffers take a field's camelCase and its snake_case name (ProtoJSON),
and so does the Python SDK's model of 0.3. Real clients write both. Both are read here; any other
variant, and one member in two spellings, is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject

_LONGEST_ID = 512
# Folding takes its time, and no object that is decided on has a tenth of these.
_MOST_MEMBERS = 256
_LONGEST_KEY = 256
_URL = re.compile(r"[!-~]{1,2048}")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Keys:
    """The members that are decided on, at one level."""

    def __init__(self, *names: str, **also: str) -> None:
        """`names` in camelCase; `also` are other names of one: `message="request"`."""
        self._names = {name: name for name in names}
        self._names |= {snake(name): name for name in names}
        self._names |= {other: name for name, other in also.items()}
        self._folded = {fold(name) for name in self._names}

    def read(self, document: JsonObject) -> JsonObject:
        """The members by their camelCase names, without those that are null. Raises Malformed."""
        if len(document) > _MOST_MEMBERS:
            raise Malformed(f"an object of the request has more than {_MOST_MEMBERS} members")
        found: JsonObject = {}
        for key, value in document.items():
            name = self._names.get(key)
            if name is None:
                self._check(key)
            elif name in found:
                raise Malformed(f"the member {name!r} is there in two spellings")
            else:
                found[name] = value
        return {name: value for name, value in found.items() if value is not None}

    def refuse(self, names: Iterable[str]) -> None:
        """Malformed if one of `names` is any spelling of one of ours."""
        for name in names:
            if fold(name) in self._folded:
                raise Malformed(f"{name[:64]!r} belongs in the body")

    def _check(self, key: str) -> None:
        if len(key) > _LONGEST_KEY:
            raise Malformed(f"a key of the request is longer than {_LONGEST_KEY} characters")
        if fold(key) in self._folded:
            raise Malformed(f"the key {key[:64]!r} is not spelled as A2A spells it")


def snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def fold(key: str) -> str:
    """What the most lenient reader makes of a key."""
    if key.isascii() and key.isidentifier():
        return key.replace("_", "").lower()
    shown = (c for c in unicodedata.normalize("NFKC", key) if unicodedata.category(c)[0] != "C")
    # upper case first: the dotless i, which folds to itself, is an I there
    return "".join(
        c for c in "".join(shown).upper().casefold() if c not in "_-" and not c.isspace()
    )


def member(members: JsonObject, name: str) -> JsonObject:
    """A member that must be an object; absent is {}."""
    value = members.get(name, {})
    if not isinstance(value, dict):
        raise Malformed(f"{name!r} must be a JSON object")
    return value


def identifier(members: JsonObject, name: str) -> str:
    """A member that must be a text; absent is ""."""
    value = members.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST_ID:
        raise Malformed(f"{name!r} must be a text of at most {_LONGEST_ID} characters")
    return value


def url(members: JsonObject, name: str) -> str:
    """A member that must be a URL: here, visible ASCII. Whoever calls it parses it."""
    value = members[name]
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise Malformed(f"{name!r} must be a URL of visible ASCII characters")
    return value
