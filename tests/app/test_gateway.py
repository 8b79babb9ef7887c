"""The gateway over a real store and database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amaze_app.gateway import ADMIN, Action, Gateway, Outage, Refused, open_gateway, sha256
from amaze_proxy.control.keys import ensure_admin_key
from amaze_proxy.history.agents import Endpoints
from amaze_proxy.history.bundle import open_history
from amaze_proxy.installation import prepare
from amaze_proxy.settings import Settings
from amaze_proxy.store.embedded import EmbeddedValkey

KEY = "amk_for-these-tests-only"


@pytest.fixture
def settings(tmp_path: Path, own_valkey: EmbeddedValkey) -> Settings:
    made = Settings(data_dir=tmp_path / "data", redis_url=own_valkey.url)
    prepare(made)
    return made


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    history = await open_history(f"sqlite:///{settings.data_dir / 'history.db'}")
    await ensure_admin_key(history, KEY)
    await history.close()
    async with open_gateway(settings) as opened:
        yield opened


async def _register(gateway: Gateway, agent_id: str) -> None:
    registration = gateway._services.registration
    await registration.register(
        agent_id, Endpoints("127.0.0.1", 9, "", 0), enroll_key=None, bearer=None
    )


async def _statuses(gateway: Gateway) -> dict[str, str]:
    page = await gateway.agents("", "", 10)
    return {agent.agent_id: agent.status for agent in page.agents}


async def test_keys(gateway: Gateway) -> None:
    assert await gateway.role_of(KEY) == ADMIN
    assert await gateway.role_of_sha256(sha256(KEY)) == ADMIN
    assert await gateway.role_of("amk_another") is None
    assert await gateway.role_of_sha256(sha256("amk_another")) is None


async def test_an_agent_s_life(gateway: Gateway) -> None:
    await _register(gateway, "a")
    assert await _statuses(gateway) == {"a": "pending"}
    for action, status in (
        (Action.REJECT, "rejected"),
        (Action.APPROVE, "approved"),
        (Action.QUARANTINE, "quarantined"),
        (Action.RELEASE, "approved"),
    ):
        await gateway.act(action, "a")
        assert await _statuses(gateway) == {"a": status}
    assert (await gateway.counts())["approved"] == 1


async def test_a_waiting_registration_is_handed_over_by_its_name(gateway: Gateway) -> None:
    await _register(gateway, "a")
    await gateway.act(Action.APPROVE, "a")
    await _register(gateway, "a")
    (agent,) = (await gateway.agents("", "", 10)).agents
    assert (agent.status, agent.claim_from) == ("approved", "127.0.0.1:9")
    with pytest.raises(Refused, match="does not wait"):
        await gateway.act(Action.APPROVE, "a", "another")
    await gateway.act(Action.APPROVE, "a", agent.claim)
    (agent,) = (await gateway.agents("", "", 10)).agents
    assert agent.claim == ""


async def test_pages(gateway: Gateway) -> None:
    for agent_id in ("a", "b", "c"):
        await _register(gateway, agent_id)
    first = await gateway.agents("", "", 2)
    assert [agent.agent_id for agent in first.agents] == ["a", "b"]
    last = await gateway.agents("", first.following, 2)
    assert ([agent.agent_id for agent in last.agents], last.following) == (["c"], "")
    assert (await gateway.agents("approved", "", 2)).agents == ()


@pytest.mark.parametrize("agent_id", ["nobody", "", "../x", "A B"])
async def test_what_cannot_be_done_says_why(gateway: Gateway, agent_id: str) -> None:
    with pytest.raises(Refused):
        await gateway.act(Action.APPROVE, agent_id)


async def test_calls_of_what_is_no_agent_are_refused(gateway: Gateway) -> None:
    assert await gateway.newest("", 5) == ()
    assert await gateway.newest("_unknown", 5) == ()
    with pytest.raises(Refused):
        await gateway.newest("no agent", 5)


async def test_without_a_store_changes_are_kept_and_reads_are_an_outage(
    gateway: Gateway, own_valkey: EmbeddedValkey
) -> None:
    await _register(gateway, "a")
    own_valkey.stop()
    with pytest.raises(Refused, match="saved but not yet in force"):
        await gateway.act(Action.QUARANTINE, "a")
    with pytest.raises(Outage):
        await gateway.newest("a", 5)
    with pytest.raises(Outage):
        async for _ in gateway.follow(0):
            pass
    assert await _statuses(gateway) == {"a": "quarantined"}


async def test_without_a_store_it_does_not_open(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", redis_url=f"unix://{tmp_path}/nothing")
    prepare(settings)
    with pytest.raises(Outage):
        async with open_gateway(settings):
            pass
