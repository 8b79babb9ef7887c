"""The policy cache: read once, anew when told to, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.policy.problems import PolicyError


@dataclass
class Published:
    version: int
    document: str


@dataclass
class Source:
    published: dict[str, Published]
    reads: list[str] = field(default_factory=list)

    async def get(self, agent_id: str) -> Published | None:
        self.reads.append(agent_id)
        return self.published.get(agent_id)


async def test_read_once_and_anew_on_reload() -> None:
    source = Source({"a": Published(1, '{"name": "one"}')})
    cache = PolicyCache(source)
    first = await cache.get("a")
    assert (await cache.get("a")) is first
    assert source.reads == ["a"]
    source.published["a"] = Published(2, '{"name": "two"}')
    again = await cache.reload("a")
    assert (again.version, again.policy.name if again.policy else "") == (2, "two")
    assert (await cache.get("a")) is again


async def test_no_policy_is_version_0() -> None:
    found = await PolicyCache(Source({})).get("a")
    assert (found.version, found.policy) == (0, None)


async def test_a_document_that_is_no_policy_is_an_error_and_not_cached() -> None:
    source = Source({"a": Published(1, '{"nonsense": 1}')})
    cache = PolicyCache(source)
    for _ in range(2):
        with pytest.raises(PolicyError):
            await cache.get("a")
    assert source.reads == ["a", "a"]


async def test_the_least_recently_used_is_dropped() -> None:
    source = Source({})
    cache = PolicyCache(source, size=2)
    for agent_id in ("a", "b", "a", "c", "a", "b"):
        await cache.get(agent_id)
    assert source.reads == ["a", "b", "c", "b"]
