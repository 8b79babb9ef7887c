"""The MCP conformance suite through the platform, all allowed: it sees what it sees directly."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conformance import run
from tests.e2e.platform import Platform

NAME = "conformance"
LISTS = {"tools/list": "tools", "prompts/list": "prompts"}


# What is refused though everything is allowed, because every server must refuse it. Nothing else.
FOREIGN_HOST = ("", "authority-mismatch")
FAULTS = {
    ("server/discover", "malformed-request"),
    ("tools/list", "malformed-request"),
    ("tools/call", "malformed-request"),
    ("resources/subscribe", "mcp-not-allowed"),
    ("resources/unsubscribe", "mcp-not-allowed"),
    ("unknown/method", "mcp-not-allowed"),
}
REFUSED = {
    "2025-03-26": set(),
    "2025-06-18": set(),
    "2025-11-25": {FOREIGN_HOST},
    "2026-07-28": {FOREIGN_HOST, *FAULTS},
}
NEWEST = max(REFUSED)


@dataclass(frozen=True, slots=True)
class Pair:
    """A server for each way, so that what the one run does is not seen by the other."""

    direct: str
    governed: str
    policy: dict[str, Any]


def names(url: str, method: str) -> list[str]:
    """What the server lists."""
    told = "io.modelcontextprotocol/"
    meta = {f"{told}protocolVersion": NEWEST, f"{told}clientCapabilities": {}}
    answer = httpx.post(
        url,
        json={"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}},
        headers={
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": NEWEST,
            "mcp-method": method,
        },
        trust_env=False,
        timeout=30,
    )
    return [one["name"] for one in answer.json()["result"][LISTS[method]]]


@pytest.fixture(scope="module")
def pair(_platform: Platform) -> Iterator[Pair]:
    with run.server() as direct, run.server() as governed:
        body = {"name": NAME, "url": governed}
        _platform.control.post("/register?kind=mcp", json=body).raise_for_status()
        policy = {
            "name": "everything",
            "allowed_tools": names(governed, "tools/list"),
            "allowed_resources": [f"{NAME}/*"],
            "allowed_prompts": names(governed, "prompts/list"),
            "allow_sampling": True,
            "allow_elicitation": True,
        }
        yield Pair(direct, governed, policy)
        _platform.control.delete(f"/mcp_servers/{NAME}").raise_for_status()


@pytest.mark.parametrize("revision", REFUSED)
def test_the_suite_sees_what_it_sees_directly(
    platform: Platform, pair: Pair, revision: str
) -> None:
    agent = platform.agent(pair.policy, NAME)
    with ThreadPoolExecutor() as pool:
        one = pool.submit(run.run, pair.direct, {}, revision)
        proxy = run.proxied(platform.proxy_url(agent))
        other = pool.submit(run.run, pair.governed, proxy, revision)
        direct, through = one.result(), other.result()
    assert "SUCCESS" in {check.status for checks in direct.values() for check in checks}
    records = platform.audit(agent.agent_id)
    refused = {(one["method"], one["denial_reason"]) for one in records if one["denied"]}
    assert refused == REFUSED[revision]
    assert run.differences(direct, through) == {}
    assert "initialize" in {one["method"] for one in records if not one["denied"]}
