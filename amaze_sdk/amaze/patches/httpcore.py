"""httpcore and httpcore2: under httpx and httpx2, and so under most AI SDKs.

Their pools know the proxy that they were made for, so a request is marked at the pool: the last
place that has the request and the first that knows whether it goes through our proxy.
"""

from __future__ import annotations

import functools
import ssl
import weakref
from types import ModuleType
from typing import Any

from amaze import egress
from amaze.egress import Egress, is_our_header

_PROXY_AUTHORIZATION = b"Proxy-Authorization"

# The identity that a pool was last prepared for: a new `init` prepares it anew.
_prepared: weakref.WeakKeyDictionary[Any, Egress] = weakref.WeakKeyDictionary()


def patch(module: ModuleType) -> None:
    """Wrap the request methods of both pools. AttributeError if they are not as we know them."""
    sync_handle = module.ConnectionPool.handle_request
    async_handle = module.AsyncConnectionPool.handle_async_request

    @functools.wraps(sync_handle)
    def handle_request(self: Any, request: Any) -> Any:
        if way := egress.current():
            for connection in _govern(module, way, self, request):
                connection.close()
        return sync_handle(self, request)

    @functools.wraps(async_handle)
    async def handle_async_request(self: Any, request: Any) -> Any:
        if way := egress.current():
            for connection in _govern(module, way, self, request):
                await connection.aclose()
        return await async_handle(self, request)

    module.ConnectionPool.handle_request = handle_request
    module.AsyncConnectionPool.handle_async_request = handle_async_request


def _govern(module: ModuleType, way: Egress, pool: Any, request: Any) -> list[Any]:
    """Mark a request that goes through our proxy; returns direct connections to be closed."""
    url = _proxy_url(pool)
    stale: list[Any] = []
    if url is None and _must_be_governed(pool, request):
        stale = _adopt(module, way, pool)
        url = _proxy_url(pool)
    if url is None or not way.proxy.is_at(url.origin.host.decode("latin-1"), url.origin.port):
        return stale
    if _prepared.get(pool) != way:
        _prepare(way, pool)
        _prepared[pool] = way
    kept = [(name, value) for name, value in request.headers if not is_our_header(name)]
    ours = [(name.encode(), value.encode()) for name, value in way.headers().items()]
    request.headers = kept + ours
    return stale


def _proxy_url(pool: Any) -> Any:
    """Where the pool's requests go: HTTPProxy keeps an URL, ConnectionPool(proxy=…) a Proxy."""
    url = getattr(pool, "_proxy_url", None)
    if url is None and pool._proxy is not None:
        url = pool._proxy.url
    return url


def _must_be_governed(pool: Any, request: Any) -> bool:
    """A client without a proxy: made before `init`, or told to ignore the environment."""
    return pool._uds is None and not egress.is_direct(request.url.host.decode("latin-1"))


def _adopt(module: ModuleType, way: Egress, pool: Any) -> list[Any]:
    """Send a pool's requests through our proxy from now on, none over an open direct connection."""
    pool._proxy = module.Proxy(url=way.proxy.url)
    open_connections, pool._connections = pool._connections, []
    return [connection for connection in open_connections if connection.is_idle()]


def _prepare(way: Egress, pool: Any) -> None:
    """Make a pool of ours show our identity to the proxy, and trust its CA."""
    headers = pool._proxy_headers if hasattr(pool, "_proxy_headers") else pool._proxy.headers
    headers[:] = [pair for pair in headers if pair[0].lower() != _PROXY_AUTHORIZATION.lower()]
    headers.insert(0, (_PROXY_AUTHORIZATION, way.proxy_authorization.encode()))
    if pool._ssl_context is None:
        pool._ssl_context = ssl.create_default_context()
    pool._ssl_context.load_verify_locations(cafile=str(way.ca))
