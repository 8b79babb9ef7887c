"""HTTP to servers of this machine, without loading the CAs of the world: that takes 40 ms of CPU
for each client, and waits ask often."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(**more: Any) -> httpx.Client:
    """It trusts no server by TLS, and nothing of the environment."""
    return httpx.Client(trust_env=False, timeout=60, verify=_NOBODY, **more)


def get(url: str, **more: Any) -> httpx.Response:
    """GET by a connection of its own."""
    with client() as one:
        return one.get(url, **more)


def post(url: str, **more: Any) -> httpx.Response:
    """POST by a connection of its own."""
    with client() as one:
        return one.post(url, **more)
