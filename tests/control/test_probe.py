"""The official client at real servers, and at what is none."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from amaze_proxy.control.errors import ProbeFailed
from amaze_proxy.control.probe import Prober
from amaze_proxy.control.reach import NOWHERE, Reach
from tests.clients.run import Running, start_server

ANYWHERE = Reach(ssl.create_default_context(), lambda _address, _port: "")


@pytest.fixture(scope="module")
def legacy() -> Iterator[Running]:
    running = start_server("mcp1", "--sse")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def modern() -> Iterator[Running]:
    running = start_server("mcp2")
    yield running
    running.stop()


async def test_both_transports_are_asked(legacy: Running, modern: Running) -> None:
    old = await Prober(ANYWHERE).probe(legacy.url.replace("/mcp", "/sse"), 60)
    new = await Prober(ANYWHERE).probe(modern.url, 60)
    assert (old.transport, new.transport, new.revision) == ("sse", "http", "2026-07-28")
    for found in (old, new):
        assert {"add", "echo"} <= found.fingerprints.keys()
        assert (found.prompts, found.resources) == (1, 1)


async def test_what_may_not_be_dialled_is_not(modern: Running) -> None:
    with pytest.raises(ProbeFailed, match="may not be dialled"):
        await Prober(NOWHERE).probe(modern.url)


async def test_what_is_not_there_is_said(modern: Running) -> None:
    with pytest.raises(ProbeFailed, match="cannot be reached"):
        await Prober(ANYWHERE).probe("http://127.0.0.1:9/mcp", 60)
    with pytest.raises(ProbeFailed, match="check the URL's path"):
        await Prober(ANYWHERE).probe(f"{modern.url}/other", 60)
    with pytest.raises(ProbeFailed, match="within 0"):
        await Prober(ANYWHERE).probe(modern.url, 0)
