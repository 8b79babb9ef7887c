from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.store.policies import Published


async def test_a_policy_is_read_as_it_was_published(bare):
    assert await bare.policies.get("alice") is None
    assert await bare.policies.publish("alice", 3, "ab", "näme: x")
    assert await bare.policies.get("alice") == Published(3, "ab", "näme: x")


async def test_it_never_goes_backwards(bare):
    versions = [5, 3, 9, 1, 7]
    await asyncio.gather(
        *(bare.policies.publish("alice", n, f"{n}", f"document {n}") for n in versions)
    )
    assert await bare.policies.get("alice") == Published(9, "9", "document 9")
    assert not await bare.policies.publish("alice", 8, "8", "document 8")


async def test_publishing_the_same_again_is_harmless_another_text_is_not(bare):
    assert await bare.policies.publish("alice", 2, "aa", "one")
    assert await bare.policies.publish("alice", 2, "aa", "one")
    assert not await bare.policies.publish("alice", 2, "bb", "two")
    assert (await bare.policies.get("alice")).document == "one"


async def test_versions_and_withdrawal(bare):
    await bare.policies.publish("alice", 2, "aa", "one")
    assert await bare.policies.versions(["alice", "bob"]) == {"alice": 2, "bob": 0}
    assert await bare.policies.withdraw("alice")
    assert not await bare.policies.withdraw("alice")
    assert await bare.policies.get("alice") is None


async def test_versions_begin_with_one(bare):
    with pytest.raises(ValueError, match="begin with 1"):
        await bare.policies.publish("alice", 0, "", "")


async def test_a_lost_library_is_loaded_again(bare):
    await bare.client.execute_command("FUNCTION FLUSH")
    assert await bare.policies.publish("alice", 1, "aa", "one")
