"""The ASGI scope of a request, built once."""

from __future__ import annotations

from urllib.parse import unquote

from amaze_proxy.wire.asgi import VERSION, Scope
from amaze_proxy.wire.http1 import RequestHead
from amaze_proxy.wire.ingress import Ingress

Address = tuple[str, int] | None


def build_scope(
    head: RequestHead, target: bytes, ingress: Ingress, client: Address, server: Address
) -> Scope:
    """The scope for `target` (origin-form, query included); `server` is our own address, used
    where the request has no authority."""
    raw_path, _, query = target.partition(b"?")
    path = raw_path.decode("ascii")
    authority = ingress.authority
    return {
        "type": "http",
        "asgi": VERSION,
        "http_version": "1.1" if head.version else "1.0",
        "method": head.method,
        "scheme": "http" if authority is None else authority.scheme,
        "path": unquote(path) if "%" in path else path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": head.headers,
        "client": client,
        "server": server if authority is None else (authority.host, authority.port),
        "extensions": {"amaze": ingress},
    }
