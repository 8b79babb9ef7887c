from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest

from amaze_proxy.control.publisher import Publisher
from amaze_proxy.history.agents import AgentRecord, Claim, Credential, Endpoints
from amaze_proxy.history.archive import StreamRecord
from amaze_proxy.history.policies import NewPolicy
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal
from amaze_proxy.store.agents import Agents, AgentStatus
from amaze_proxy.store.errors import StoreUnavailable

A, B, C = "a" * 64, "b" * 64, "c" * 64
RECORD = AgentRecord(
    "x",
    "approved",
    1,
    1,
    owner="o",
    session_id="s",
    endpoints=Endpoints("h", 1),
    credentials=(Credential(A, 1),),
    claim=Claim(B, "t", Endpoints(chat_host="i", chat_port=2), 2),
)


@pytest.fixture
def publisher(history, store, clock) -> Publisher:
    return Publisher(history, store, clock)


async def _save(history, record):
    await history.agents.change(record.agent_id, lambda _before: record)


async def _policy(history, agent_id="x", document="{}"):
    new = NewPolicy(agent_id, "me", 1, "", "0" * 64, document)
    return await history.policies.add(new, lambda _active: None)


async def test_the_store_becomes_what_the_history_says(publisher, history, store) -> None:
    await _save(history, RECORD)
    await _policy(history)
    assert await publisher.publish("x")
    agent = await store.agents.get("x")
    assert (agent.status, agent.owner, agent.session_id) == ("approved", "o", "s")
    assert agent.endpoint.a2a_host == "h"
    assert agent.pending_endpoint.chat_port == 2
    assert await store.agents.credential_state("x", A) == "active"
    assert await store.agents.credential_state("x", B) == "pending"
    assert (await store.policies.get("x")).version == 1


async def test_what_drifted_in_the_store_is_put_right(publisher, history, store) -> None:
    await _save(history, replace(RECORD, status="quarantined", claim=None))
    await publisher.publish("x")
    await store.agents.set_status("x", AgentStatus.APPROVED)
    await store.agents.add_credential("x", C, pending=True)
    await publisher.publish("x")
    assert (await store.agents.get("x")).status == "quarantined"
    assert await store.agents.credential_state("x", C) == "none"


LIMITED = json.dumps(
    {
        "token_rate_limits": [{"window": "10m", "max_tokens": 100}],
        "cost_rate_limits": [{"window": "1h", "max_usd": 1}],
        "max_tokens_per_turn": 5,
    }
)


async def _spend(history, *ages_ms: int, now: int) -> None:
    sealed, before = [], GENESIS
    for seq, age in enumerate(ages_ms, 1):
        draft = AuditRecord(
            f"d{seq}", now - age, "x", "llm", tokens_in=10, tokens_out=1, cost_microusd=3
        )
        record = seal(draft, "w:x", seq, before)
        before = record.hash
        sealed.append(StreamRecord(f"{seq}-0", record))
    await history.archive.append("x", sealed)


async def _total(store, window: str) -> int:
    return int(await store.client.hget(f"window:{{x}}:{window}", "t") or 0)


async def test_what_is_spent_stays_spent_when_the_store_was_emptied(
    publisher, history, store, clock
) -> None:
    clock.now = time.time_ns() // 1_000_000
    await _save(history, RECORD)
    await _policy(history, document=LIMITED)
    await _spend(history, 3_700_000, 1_800_000, 60_000, 1_000, now=clock.now)
    await publisher.publish("x")
    assert (await _total(store, "tokens:10m"), await _total(store, "cost:1h")) == (22, 9)
    await publisher.publish("x")
    assert await _total(store, "tokens:10m") == 22, "an agent that is there is left alone"
    await store.client.delete("window:{x}:tokens:10m")
    await publisher.publish("x")
    assert await _total(store, "tokens:10m") == 0, "it ended by itself"
    await store.client.flushall()
    await publisher.publish("x")
    assert await _total(store, "tokens:10m") == 22


async def test_an_agent_has_its_policy_before_it_can_do_anything(
    publisher, history, store, monkeypatch
) -> None:
    await _save(history, RECORD)
    await _policy(history, document="no policy that anybody understands: [")

    async def create(agent) -> bool:
        assert await store.policies.get(agent.agent_id) is not None
        raise StoreUnavailable("enough")

    monkeypatch.setattr(Agents, "create", lambda _self, agent: create(agent))
    assert not await publisher.publish("x")
    assert publisher.owed == 1


async def test_a_policy_without_an_agent_is_published_and_withdrawn(
    publisher, history, store
) -> None:
    await _policy(history)
    await publisher.publish("x")
    assert await store.policies.get("x") is not None
    await _save(history, replace(RECORD, deleted=True, credentials=(), claim=None))
    await publisher.publish("x")
    assert await store.policies.get("x") is None
    assert await history.agents.get("x") is None


async def test_a_version_that_the_history_does_not_know_gives_way(
    publisher, history, store
) -> None:
    await store.policies.publish("x", 9, "1" * 64, '{"name": "of another database"}')
    await _policy(history)
    assert await publisher.publish("x")
    assert (await store.policies.get("x")).version == 1


async def test_two_processes_leave_the_newest(publisher, history, store, clock) -> None:
    other = Publisher(history, store, clock)

    async def save(number: int) -> None:
        await _policy(history, document=str(number))
        assert await (publisher, other)[number % 2].publish("x")

    await asyncio.gather(*(save(number) for number in range(20)))
    newest = await history.policies.active("x")
    published = await store.policies.get("x")
    assert (published.version, published.document) == (20, newest.document)


async def test_hashes_of_long_ended_credentials_are_forgotten(
    publisher, history, store, clock
) -> None:
    ended = Credential(B, 1, expires_ms=1)
    await _save(history, replace(RECORD, claim=None, credentials=(Credential(A, 1), ended)))
    await publisher.publish("x")
    assert await store.agents.credential_state("x", B) == "none"
    assert (await history.agents.get("x")).credentials == (Credential(A, 1),)


async def test_everything_is_owed_until_it_is_published(publisher, history) -> None:
    await publisher.owe_everything()
    assert publisher.owed == 0
    await _save(history, RECORD)
    await _policy(history, "y")
    await publisher.owe_everything()
    assert publisher.owed == 2
    await publisher.publish_owed()
    assert publisher.owed == 0


async def test_each_probe_looks_at_another_one(publisher, history, store) -> None:
    assert await publisher.lost() is None
    await _save(history, RECORD)
    await _policy(history, "y")
    for agent_id in ("x", "y"):
        await publisher.publish(agent_id)
    assert [await publisher.lost() for _ in range(3)] == [None] * 3
    await store.client.flushall()
    assert {await publisher.lost() for _ in range(2)} == {"x", "y"}
    await publisher.publish("x")
    assert {await publisher.lost() for _ in range(2)} == {None, "y"}


async def test_what_was_deleted_is_not_missed(publisher, history) -> None:
    await _save(history, RECORD)
    await publisher.publish("x")
    await _save(history, replace(RECORD, deleted=True, credentials=(), claim=None))
    await publisher.publish("x")
    assert await publisher.lost() is None
