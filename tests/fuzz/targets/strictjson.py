"""What we accept is JSON to the standard library too, the same; and is written as it was read."""

from __future__ import annotations

import json

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonValue, dumps, parse, reject_variants
from tests.fuzz.pieces import alike, plain_json

_DEPTH = 64
_KNOWN = frozenset({"a", "id", "name", "method", "model"})


def check(data: bytes) -> None:
    try:
        value = parse(data)
    except Malformed:
        return
    assert alike(plain_json(data), value)
    assert alike(parse(dumps(value)), value)
    assert _depth(value) <= _DEPTH
    json.loads(data, object_pairs_hook=_once)
    data.decode("utf-8")
    if isinstance(value, dict):
        _check_keys(value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len({name for name, _ in pairs}) == len(pairs), "a key twice"
    return dict(pairs)


def _depth(value: JsonValue) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0


def _check_keys(value: dict[str, JsonValue]) -> None:
    try:
        reject_variants(value, _KNOWN)
    except Malformed:
        return
    for key in value:
        assert key in _KNOWN or key.strip().casefold() not in _KNOWN
