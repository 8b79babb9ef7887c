"""The standard library's `http.client`: under urllib, urllib3, requests and botocore alike."""

from __future__ import annotations

import http.client
import urllib.request
from typing import Any

from amaze import egress
from amaze.egress import Egress, is_our_header


def patch() -> None:
    """Add the headers right after the request line, when the connection is one to our proxy.

    For a tunnel, `host` and `port` stay the proxy's, and `putrequest` is only called for the
    requests inside of it, never for CONNECT.
    """
    putrequest = http.client.HTTPConnection.putrequest
    putheader = http.client.HTTPConnection.putheader

    def putrequest_governed(
        self: http.client.HTTPConnection, method: str, url: str, *args: Any, **kwargs: Any
    ) -> None:
        putrequest(self, method, url, *args, **kwargs)
        if way := _way_of(self):
            for name, value in way.headers().items():
                putheader(self, name, value)

    def putheader_governed(
        self: http.client.HTTPConnection, header: str | bytes, *values: Any
    ) -> None:
        if is_our_header(header) and _way_of(self):
            return  # ours are there already; a second one would be ambiguous
        putheader(self, header, *values)

    http.client.HTTPConnection.putrequest = putrequest_governed  # type: ignore[method-assign]
    http.client.HTTPConnection.putheader = putheader_governed  # type: ignore[method-assign]


def forget_default_opener() -> None:
    """Let `urlopen` read the environment anew: its opener of before `init` knows no proxy."""
    opener = getattr(urllib.request, "_opener", None)
    if type(opener) is urllib.request.OpenerDirector:
        urllib.request.install_opener(urllib.request.build_opener())


def _way_of(connection: http.client.HTTPConnection) -> Egress | None:
    way = egress.current()
    return way if way and way.proxy.is_at(connection.host, connection.port) else None
