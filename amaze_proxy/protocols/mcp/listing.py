"""Lists of tools, prompts and resources, cut down to what the agent may use.

A page stays a page: `nextCursor` and whatever else is in the result are kept, and a page may
become empty. 2026-07-28 server/utilities/caching: a list that was made for one agent must not be
kept for another.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.asking import May
from amaze_proxy.protocols.mcp.fingerprints import TOLD, fingerprint
from amaze_proxy.protocols.mcp.spelling import exact
from amaze_proxy.protocols.mcp.versions import is_stateless
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue

LONGEST_TTL_MS = 5000
"""How long a client may keep a list, so that a new policy soon shows."""

_Rule = tuple[frozenset[str], str, Callable[[May, str, JsonObject], bool]]
_NAME = frozenset({"name"})
# What must be spelled to the letter, what is judged, and by whom.
# A template is judged by its text, as a completion of it is; what comes of it is judged when read.
_LISTS: MappingProxyType[str, _Rule] = MappingProxyType(
    {
        "tools": (TOLD, "name", lambda may, name, tool: may.tool(name, fingerprint(tool))),
        "prompts": (_NAME, "name", lambda may, name, _: may.prompt(name)),
        "resources": (frozenset({"uri"}), "uri", lambda may, uri, _: may.resource(uri)),
        "resourceTemplates": (
            *(frozenset({"uriTemplate"}), "uriTemplate"),
            lambda may, uri, _: may.resource(uri),
        ),
    }
)
_KEYS = frozenset({*_LISTS, "cacheScope", "ttlMs"})


def filtered(result: JsonObject, may: May, version: str) -> JsonObject:
    """The result without the members that the agent may not use; the same object if it lists
    nothing or nothing is to be filtered. Goes by the result's shape, since on a GET stream nobody
    knows what was asked. Raises Malformed."""
    if not may.filters:
        _tell(result.get("tools"), may)
        return result
    exact(result, _KEYS)
    changed = {
        key: _kept(key, result[key], rule, may)
        for key, rule in _LISTS.items()
        if result.get(key) is not None
    }
    return {**result, **changed, **_caching(result, version)} if changed else result


def _kept(key: str, listed: JsonValue, rule: _Rule, may: May) -> list[JsonValue]:
    if not isinstance(listed, list):
        raise Malformed(f"{key!r} of the answer must be a list")
    return [one for one in listed if _shown(one, rule, may)]


def _shown(one: JsonValue, rule: _Rule, may: May) -> bool:
    known, key, allows = rule
    if not isinstance(one, dict):
        return False
    try:
        exact(one, known)
    except Malformed:
        return False
    name = one.get(key)
    return isinstance(name, str) and allows(may, name, one)


def _tell(tools: JsonValue, may: May) -> None:
    """What is listed is told also where nothing is taken out."""
    for one in tools if isinstance(tools, list) else ():
        if isinstance(one, dict) and isinstance(name := one.get("name"), str):
            may.tool(name, fingerprint(one))


def _caching(result: JsonObject, version: str) -> JsonObject:
    if not (is_stateless(version) or "cacheScope" in result or "ttlMs" in result):
        return {}
    caching: JsonObject = {"cacheScope": "private"}
    if "ttlMs" in result:
        caching["ttlMs"] = _ttl(result["ttlMs"])
    return caching


def _ttl(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), LONGEST_TTL_MS))
