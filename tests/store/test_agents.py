from __future__ import annotations

import asyncio
import hashlib

import pytest

from amaze_proxy.store.agents import Agent, AgentStatus, CredentialState, Endpoint
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

ONE, TWO, THREE = (hashlib.sha256(name).hexdigest() for name in (b"1", b"2", b"3"))


async def states(store, *digests):
    return [await store.agents.credential_state("alice", digest) for digest in digests]


async def test_an_agent_is_read_as_it_was_created(bare):
    agent = Agent(
        "alice",
        AgentStatus.APPROVED,
        "ops",
        Endpoint("a2a.local", 9001, "chat.local", 9002),
        Endpoint("other.local", 1),
        "s1",
        123,
    )
    assert await bare.agents.create(agent)
    assert await bare.agents.get("alice") == agent
    assert await bare.agents.list() == [agent]
    assert await bare.agents.get("bob") is None


async def test_only_one_of_many_creations_wins(bare):
    agents = [Agent("alice", owner=f"o{n}") for n in range(20)]
    created = await asyncio.gather(*map(bare.agents.create, agents, [ONE] * 20))
    assert created.count(True) == 1
    winner = agents[created.index(True)]
    assert await bare.agents.get("alice") == winner


async def test_a_second_creation_does_not_add_its_credential(store):
    assert not await store.agents.create(Agent("alice"), TWO)
    assert await states(store, TWO) == [CredentialState.NONE]


async def test_changes_of_an_agent(store):
    assert await store.agents.set_status("alice", AgentStatus.QUARANTINED)
    assert await store.agents.set_owner("alice", "ops")
    assert await store.agents.set_session("alice", "s2")
    assert await store.agents.set_endpoint("alice", Endpoint("h", 1))
    agent = await store.agents.get("alice")
    assert (agent.status, agent.owner, agent.session_id, agent.endpoint) == (
        AgentStatus.QUARANTINED,
        "ops",
        "s2",
        Endpoint("h", 1),
    )


async def test_an_agent_that_is_not_there_is_not_made_by_a_change(bare):
    assert not await bare.agents.set_status("alice", AgentStatus.APPROVED)
    assert not await bare.agents.add_credential("alice", ONE)
    assert not await bare.agents.rotate("alice", ONE, 0)
    assert await bare.agents.get("alice") is None
    assert await states(bare, ONE) == [CredentialState.NONE]


async def test_delete_ends_agent_credentials_and_policy_but_not_the_evidence(store, script):
    sealed = await store.gate.settle(script.refusal())
    assert await store.agents.delete("alice")
    assert not await store.agents.delete("alice")
    assert await states(store, script.credential) == [CredentialState.NONE]
    assert await store.policies.get("alice") is None
    assert await store.agents.list() == []
    assert await store.agents.ids() == ["alice"]
    assert [record.hash for record in await store.audit.recent("alice")] == [sealed.hash]


async def test_a_pending_credential_becomes_active_when_it_is_added_as_such(store, script):
    await store.agents.add_credential("alice", ONE, pending=True)
    assert await states(store, script.credential, ONE) == ["active", "pending"]
    await store.agents.add_credential("alice", ONE)
    assert await states(store, script.credential, ONE) == ["active", "active"]


async def test_what_is_pending_is_dropped(store, script):
    await store.agents.add_credential("alice", ONE, pending=True)
    await store.agents.set_endpoint("alice", Endpoint("new", 1), pending=True)
    agent = await store.agents.get("alice")
    assert (agent.endpoint, agent.pending_endpoint) == (Endpoint(), Endpoint("new", 1))
    assert await store.agents.drop_pending("alice") == 1
    assert await states(store, script.credential, ONE) == ["active", "none"]
    agent = await store.agents.get("alice")
    assert (agent.endpoint, agent.pending_endpoint) == (Endpoint(), None)


async def test_an_active_credential_does_not_become_pending(store, script):
    await store.agents.add_credential("alice", script.credential, pending=True)
    assert await states(store, script.credential) == ["active"]


async def test_rotation_leaves_the_old_one_a_grace(store, script):
    assert await store.agents.rotate("alice", ONE, 60_000)
    assert await states(store, script.credential, ONE) == ["active", "active"]
    assert await store.agents.rotate("alice", TWO, 0)
    assert await states(store, script.credential, ONE, TWO) == ["none", "none", "active"]


async def test_a_grace_ends(store, script, until):
    await store.agents.rotate("alice", ONE, 30)

    async def over():
        return await states(store, script.credential) == ["none"]

    await until(over)
    await store.agents.add_credential("alice", TWO)
    assert await store.client.hkeys("cred:{alice}") == [ONE.encode(), TWO.encode()]


async def test_a_rotation_does_not_make_an_earlier_grace_longer(store, script, until):
    await store.agents.rotate("alice", ONE, 30)
    await store.agents.rotate("alice", TWO, 10_000)

    async def over():
        return await states(store, script.credential, ONE) == ["none", "active"]

    await until(over)


async def test_what_is_no_sha256_is_an_error(store):
    with pytest.raises(ValueError, match="SHA-256"):
        await store.agents.add_credential("alice", "secret")
    with pytest.raises(ValueError, match="SHA-256"):
        await store.agents.create(Agent("bob"), "secret")


async def test_a_store_that_is_down(own_server):
    store = await open_store(own_server.url, timeout=PATIENCE)
    await store.ping()
    own_server.stop()
    for asked in (store.agents.get("a"), store.agents.create(Agent("a")), store.ping()):
        with pytest.raises(StoreUnavailable):
            await asked
    await store.close()
    with pytest.raises(StoreUnavailable):
        await open_store(own_server.url, timeout=PATIENCE)
