from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.history.bundle import History, open_history
from amaze_proxy.history.errors import RowMissing
from amaze_proxy.history.policies import NewPolicy, PolicyVersion


def _new(agent_id: str = "a", document: str = "{}") -> NewPolicy:
    return NewPolicy(agent_id, "me", 5, "why", "0" * 64, document)


def _anything(_active: PolicyVersion | None) -> None:
    return None


async def test_versions_are_numbered_for_each_agent_and_know_their_parent(
    history: History,
) -> None:
    for document in ("one", "two"):
        await history.policies.add(_new("a", document), _anything)
    other = await history.policies.add(_new("b"), _anything)
    assert other == PolicyVersion("b", 1, 0, "me", 5, "why", "0" * 64, "{}")
    active = await history.policies.active("a")
    assert active is not None
    assert (active.version, active.parent, active.document) == (2, 1, "two")
    assert await history.policies.heads() == {"a": 2, "b": 1}


async def test_an_agent_without_policy_has_none(history: History) -> None:
    assert await history.policies.active("a") is None
    assert await history.policies.versions("a", 0, 10) == ()
    with pytest.raises(RowMissing):
        await history.policies.get("a", 1)


async def test_versions_are_paged_newest_first(history: History) -> None:
    for _ in range(5):
        await history.policies.add(_new(), _anything)
    first = await history.policies.versions("a", 0, 2)
    second = await history.policies.versions("a", first[-1].version, 2)
    assert [found.version for found in (*first, *second)] == [5, 4, 3, 2]


async def test_what_is_not_expected_is_not_saved(history: History) -> None:
    def expects(active: PolicyVersion | None) -> None:
        assert active is None
        raise LookupError

    with pytest.raises(LookupError):
        await history.policies.add(_new(), expects)
    assert await history.policies.heads() == {}


async def test_concurrent_saves_of_two_processes_lose_nothing(history: History, url: str) -> None:
    other = await open_history(url)
    saved = await asyncio.gather(
        *(
            process.policies.add(_new("a", str(number)), _anything)
            for number in range(25)
            for process in (history, other)
        )
    )
    await other.close()
    assert sorted(version.version for version in saved) == list(range(1, 51))
    kept = await history.policies.versions("a", 0, 100)
    assert {(v.version, v.document) for v in kept} == {(v.version, v.document) for v in saved}
    assert [v.parent for v in kept] == list(range(49, -1, -1))
