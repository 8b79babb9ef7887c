"""redis-py for everything but the hot path, with its errors translated at this border."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from amaze_proxy.store.connection import Endpoint
from amaze_proxy.store.errors import StoreError, StoreUnavailable
from amaze_proxy.store.wire import server_error

TIMEOUT = 2.0
"""Seconds for a command outside the hot path, at least."""

CONNECTIONS = 16

Client = Redis | RedisCluster
_CLUSTER = {"redis+cluster": "redis", "rediss+cluster": "rediss"}


@contextmanager
def translate() -> Iterator[None]:
    """RedisError, OSError and time-outs become StoreUnavailable."""
    try:
        yield
    except RedisError as error:
        raise server_error(str(error)) from error
    except (OSError, TimeoutError) as error:
        raise StoreUnavailable(f"cannot reach the store: {error}") from error


def is_cluster(url: str) -> bool:
    """Whether the URL names a cluster (`redis+cluster://`, `rediss+cluster://`)."""
    return urlsplit(url).scheme in _CLUSTER


def open_client(url: str, timeout: float = TIMEOUT) -> Client:
    """A client that never repeats a command by itself. Raises StoreError for a wrong URL."""
    timeout = max(TIMEOUT, timeout)
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
    }
    if is_cluster(url):
        return _open_cluster(url, options)
    try:
        pool = BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS, timeout=timeout, **options
        )
    except ValueError as error:
        raise StoreError(f"AMAZE_REDIS_URL is not understood: {error}") from error
    return Redis.from_pool(pool)


def _open_cluster(url: str, options: dict[str, Any]) -> RedisCluster:
    scheme, _, rest = url.partition("://")
    account, at, hosts = rest.rpartition("@")
    try:
        parsed = [parse_url(f"{_CLUSTER[scheme]}://{account}{at}{h}") for h in hosts.split(",")]
    except ValueError as error:
        raise StoreError(f"AMAZE_REDIS_URL is not understood: {error}") from error
    nodes = [ClusterNode(str(p.get("host", "localhost")), int(p.get("port", 6379))) for p in parsed]
    extra: dict[str, Any] = {
        k: v for k, v in parsed[-1].items() if k not in {"host", "port", "connection_class"}
    }
    tls = scheme == "rediss+cluster"
    return RedisCluster(startup_nodes=nodes, ssl=tls, **extra, **options)


def endpoint_of(url: str) -> Endpoint:
    """The hot path's endpoint of a single server's URL. Raises StoreError for a wrong URL."""
    try:
        parsed: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        raise StoreError(f"AMAZE_REDIS_URL is not understood: {error}") from error
    tls = None
    if parsed.get("connection_class") is SSLConnection:
        tls = ssl.create_default_context(cafile=parsed.get("ssl_ca_certs"))
        if parsed.get("ssl_certfile"):
            tls.load_cert_chain(parsed["ssl_certfile"], parsed.get("ssl_keyfile"))
    return Endpoint(
        path=parsed.get("path", ""),
        host=parsed.get("host", "localhost"),
        port=parsed.get("port", 6379),
        db=parsed.get("db", 0),
        username=parsed.get("username") or "",
        password=parsed.get("password") or "",
        tls=tls,
    )
