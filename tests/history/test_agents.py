from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.history.agents import AgentRecord, Claim, Credential, Endpoints
from amaze_proxy.history.bundle import History
from amaze_proxy.history.policies import NewPolicy

WHOLE = AgentRecord(
    agent_id="a",
    status="approved",
    created_ms=1,
    updated_ms=2,
    owner="team",
    session_id="s",
    endpoints=Endpoints("h", 1, "c", 2),
    created_by="x",
    released_status="pending",
    credentials=(Credential("1" * 64, 1, 9), Credential("2" * 64, 2)),
    claim=Claim("3" * 64, "t", Endpoints("i", 3, "d", 4), 3),
)


async def _put(history: History, record: AgentRecord) -> AgentRecord:
    return await history.agents.change(record.agent_id, lambda _before: record)


async def test_a_record_comes_back_as_it_was_saved(history: History) -> None:
    assert await _put(history, WHOLE) == WHOLE
    assert await history.agents.get("a") == WHOLE
    assert await history.agents.get("b") is None


async def test_what_is_not_in_the_new_record_is_gone(history: History) -> None:
    await _put(history, WHOLE)
    less = replace(
        WHOLE, credentials=(Credential("2" * 64, 2, 7), Credential("4" * 64, 4)), claim=None
    )
    await _put(history, less)
    assert await history.agents.get("a") == less


async def test_a_change_sees_the_record_and_may_refuse(history: History) -> None:
    await _put(history, WHOLE)

    def refuse(before: AgentRecord | None) -> AgentRecord:
        assert before == WHOLE
        raise LookupError

    with pytest.raises(LookupError):
        await history.agents.change("a", refuse)
    assert await history.agents.get("a") == WHOLE


async def test_concurrent_changes_lose_nothing(history: History) -> None:
    await _put(history, replace(WHOLE, credentials=()))

    def add(number: int, before: AgentRecord | None) -> AgentRecord:
        assert before is not None
        new = Credential(f"{number:064d}", number)
        return replace(before, credentials=(*before.credentials, new))

    await asyncio.gather(*(history.agents.change("a", lambda b, n=n: add(n, b)) for n in range(30)))
    found = await history.agents.get("a")
    assert found is not None
    assert [held.created_ms for held in found.credentials] == list(range(30))


async def test_a_policy_is_saved_with_the_agent_or_not_at_all(history: History) -> None:
    policy = NewPolicy("a", "me", 1, "", "0" * 64, "{}")

    def refuse(_before: AgentRecord | None) -> AgentRecord:
        raise LookupError

    with pytest.raises(LookupError):
        await history.agents.change("a", refuse, policy)
    assert await history.policies.active("a") is None
    await history.agents.change("a", lambda _before: WHOLE, policy)
    assert await history.policies.active("a") is not None


async def test_a_tombstone_has_no_policy_and_keeps_its_history(history: History) -> None:
    policy = NewPolicy("a", "me", 1, "", "0" * 64, "{}")
    await history.agents.change("a", lambda _before: WHOLE, policy)
    await _put(history, replace(WHOLE, deleted=True, credentials=(), claim=None))
    assert await history.policies.active("a") is None
    assert await history.policies.heads() == {"a": 0}
    assert len(await history.policies.versions("a", 0, 10)) == 1


async def test_only_a_tombstone_is_purged(history: History) -> None:
    await _put(history, WHOLE)
    await history.agents.purge("a")
    assert await history.agents.get("a") == WHOLE
    await _put(history, replace(WHOLE, deleted=True, credentials=(), claim=None))
    await history.agents.purge("a")
    await history.agents.purge("a")
    assert await history.agents.get("a") is None


async def test_agents_are_listed_by_id_in_pages(history: History) -> None:
    for number in range(5):
        await _put(
            history,
            AgentRecord(
                f"a{number}",
                "pending" if number % 2 else "approved",
                1,
                1,
                credentials=(Credential(f"{number:064d}", 1),),
            ),
        )
    await _put(history, AgentRecord("a9", "approved", 1, 1, deleted=True))
    page = await history.agents.list(after="a0", limit=3)
    assert [found.agent_id for found in page] == ["a1", "a2", "a3"]
    assert [found.credentials[0].sha256 for found in page] == [f"{n:064d}" for n in (1, 2, 3)]
    approved = await history.agents.list("approved")
    assert [found.agent_id for found in approved] == ["a0", "a2", "a4"]
    assert [found.agent_id for found in await history.agents.list()][-1] == "a9"
    assert await history.agents.count("approved") == 3
    assert await history.agents.count("pending") == 2
