"""The fingerprint of a tool: SHA-256 over what a model is told of it.

The canonical form is that of RFC 8785 but for the spelling of fractions: keys sorted, no white
space, UTF-8, a whole number without a fraction. A member that is null counts as absent.
"""

from __future__ import annotations

import hashlib
import json

from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

TOLD = frozenset({"name", "title", "description", "inputSchema", "outputSchema", "annotations"})
"""The members of a tool that decide what a model makes of it."""

_EXACT = 2**53  # beyond it a double is not one whole number (RFC 7493 §2.2)


def fingerprint(tool: JsonObject) -> str:
    """SHA-256 in hex of the tool, as `tools/list` has it."""
    told = {key: _plain(tool[key]) for key in TOLD if tool.get(key) is not None}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: JsonValue) -> JsonValue:
    """The same value, with whole numbers as integers: 1.0 is 1 in JSON."""
    match value:
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case float() if abs(value) < _EXACT and value.is_integer():
            return int(value)
        case _:
            return value
