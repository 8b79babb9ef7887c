"""aiohttp: its sessions ignore the proxy variables unless told otherwise, so we name the proxy."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from amaze import egress
from amaze.egress import Egress, is_our_header


def patch(module: ModuleType) -> None:
    """Wrap `ClientSession._request` and `ClientRequest.send`.

    AttributeError if they are not as we know them.
    """
    request = module.ClientSession._request
    send = module.ClientRequest.send

    @functools.wraps(request)
    async def request_governed(self: Any, method: str, str_or_url: Any, **options: Any) -> Any:
        way = egress.current()
        if way and _is_unproxied(self, str_or_url, options):
            options["proxy"] = way.proxy_url
            _trust_ca(module, way)
        return await request(self, method, str_or_url, **options)

    @functools.wraps(send)
    async def send_marked(self: Any, connection: Any) -> Any:
        way = egress.current()
        # The CONNECT request itself has no proxy: what is marked here travels inside the tunnel.
        if way and self.proxy and way.proxy.is_at(self.proxy.host or "", self.proxy.port or 0):
            for name in [name for name in self.headers if is_our_header(name)]:
                self.headers.popall(name, None)
            self.headers.update(way.headers())
        return await send(self, connection)

    module.ClientSession._request = request_governed
    module.ClientRequest.send = send_marked


def _is_unproxied(session: Any, url: Any, options: dict[str, Any]) -> bool:
    if options.get("proxy") is not None or getattr(session, "_default_proxy", None) is not None:
        return False
    if type(session.connector).__name__ in ("UnixConnector", "NamedPipeConnector"):
        return False
    base = getattr(session, "_base_url", None)
    host = urlsplit(str(url)).hostname or (base.host if base else None)
    return not (host and egress.is_direct(host))


def _trust_ca(module: ModuleType, way: Egress) -> None:
    """aiohttp makes its default context while it is imported, maybe before the CA was known."""
    context = getattr(module.connector, "_SSL_CONTEXT_VERIFIED", None)
    if context is not None:
        context.load_verify_locations(cafile=str(way.ca))
