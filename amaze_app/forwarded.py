"""Behind a reverse proxy: who really asks, and for which address. Its word counts only where it is
one of the configured ones (AMAZE_TRUSTED_PROXIES)."""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_SECURE = {"http": "https", "ws": "wss"}
_NAMES = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forwarded:
    """Rewrites client, scheme and Host of what comes from a trusted proxy; takes the headers away
    from all that comes on, so that nothing behind can believe them."""

    def __init__(self, inner: ASGIApp, trusted: str) -> None:
        self._inner = inner
        self._trusted = [ipaddress.ip_network(one) for one in trusted.split(",") if one]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = self._judged(scope)
        await self._inner(scope, receive, send)

    def _judged(self, scope: Scope) -> Scope:
        headers = Headers(scope=scope)
        kept = [pair for pair in scope["headers"] if pair[0].lower() not in _NAMES]
        client = scope.get("client")
        changed: dict[str, object] = {"headers": kept}
        if client is not None and self._trusts(client[0]):
            if source := self._source(headers.getlist("x-forwarded-for")):
                changed["client"] = (source, 0)
            if headers.getlist("x-forwarded-proto") == ["https"]:
                changed["scheme"] = _SECURE.get(scope["scheme"], scope["scheme"])
            hosts = headers.getlist("x-forwarded-host")
            if len(hosts) == 1 and "," not in hosts[0]:
                others = [pair for pair in kept if pair[0].lower() != b"host"]
                changed["headers"] = [*others, (b"host", hosts[0].strip().encode("latin-1"))]
        return {**scope, **changed}

    def _source(self, lines: list[str]) -> str:
        """The last address that is none of our proxies: what stands before it is anybody's word."""
        hops = [hop.strip() for line in lines for hop in line.split(",") if hop.strip()]
        return next((hop for hop in reversed(hops) if not self._trusts(hop)), "")

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._trusted)
