"""The other side of an agent under test: its environment, and who talks to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from types import MappingProxyType
from typing import Any


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Make `variables` the whole environment of this process inside the block."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def send(
    port: int,
    message: str,
    *,
    host: str = "127.0.0.1",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Send a user's message to an agent's chat server; returns its reply.

    Raises `AssertionError` with the agent's answer if it is not 200.
    """
    connection = HTTPConnection(host, port, timeout=60)
    try:
        body = json.dumps({"message": message})
        connection.request("POST", "/chat", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status != 200:
        raise AssertionError(f"the agent answered {response.status}: {text}")
    return json.loads(text)["reply"]
