"""Agent cards: which URLs are the agent's.

A card may be signed, so it is passed on as it came; its URLs are learned, and calls to them are
governed as calls to the agent.
"""

from __future__ import annotations

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, parse_object, reject_variants

_KEYS = frozenset({"url"})
_MOST = 64


def interfaces(card: bytes) -> tuple[str, ...]:
    """The URLs of all interfaces, in the shapes of 1.0 and of 0.3 and before (a card may have
    both); () when it is no card, or one that two readers could read differently."""
    try:
        document = parse_object(card)
        if not isinstance(document.get("name"), str):
            return ()
        return tuple(dict.fromkeys(_urls(document)))[:_MOST]
    except Malformed:
        return ()


def _urls(document: JsonObject) -> list[str]:
    listed = [
        interface
        for name in ("supportedInterfaces", "additionalInterfaces")
        for interface in _objects(document, name)
    ]
    return [found for one in (document, *listed) if (found := _url(one))]


def _url(document: JsonObject) -> str:
    reject_variants(document, _KEYS)
    value = document.get("url")
    return value if isinstance(value, str) else ""


def _objects(document: JsonObject, name: str) -> list[JsonObject]:
    value = document.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
