"""The gateway over a real store and database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from amaze_app.gateway import (
    Gateway,
    LostUpdate,
    NotInForce,
    Outage,
    Principal,
    Refused,
    Role,
    open_gateway,
)
from amaze_app.gateway.agents import Action
from amaze_app.gateway.audit import STRANGERS, RecordFilter
from amaze_proxy.control.console import Endpoints, Filter
from amaze_proxy.installation import prepare
from amaze_proxy.settings import Settings
from amaze_proxy.store.embedded import EmbeddedValkey

PASSWORD = "a password of these tests"
ADMIN = Principal("root", Role.ADMIN, "192.0.2.1", "s")
VIEWER = Principal("eve", Role.VIEWER, "192.0.2.1", "s")
OPERATOR = Principal("ann", Role.OPERATOR, "192.0.2.1", "s")
POLICY = "schema: amaze/v1\n"


@pytest.fixture
def settings(tmp_path: Path, own_valkey: EmbeddedValkey) -> Settings:
    made = Settings(data_dir=tmp_path / "data", redis_url=own_valkey.url)
    prepare(made)
    return made


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    async with open_gateway(settings) as opened:
        people = opened.users._services.people
        for who in (ADMIN, VIEWER, OPERATOR):
            await people.create(who.name, who.role, PASSWORD)
        yield opened


async def _register(gateway: Gateway, agent_id: str, owner: str = "") -> None:
    services = gateway.agents._services
    await services.registration.register(
        agent_id, Endpoints("127.0.0.1", 9, "", 0), enroll_key=None, bearer=None
    )
    if owner:
        await gateway.agents.set_owner(ADMIN, agent_id, owner)


async def _statuses(gateway: Gateway, who: Principal = ADMIN) -> dict[str, str]:
    page = await gateway.agents.page(who)
    return {agent.agent_id: agent.status for agent in page.agents}


async def test_a_session_of_the_platform(gateway: Gateway) -> None:
    token = await gateway.sessions.begin("ann", PASSWORD, "192.0.2.1")
    who = await gateway.sessions.find(token, "192.0.2.7")
    assert who is not None
    assert (who.name, who.role, who.address) == ("ann", Role.OPERATOR, "192.0.2.7")
    await gateway.sessions.end(who)
    assert await gateway.sessions.find(token, "") is None
    with pytest.raises(Refused, match="wrong"):
        await gateway.sessions.begin("ann", "x", "192.0.2.1")


async def test_an_agent_s_life_is_written_down(gateway: Gateway) -> None:
    await _register(gateway, "a")
    for action, status in (
        (Action.REJECT, "rejected"),
        (Action.APPROVE, "approved"),
        (Action.QUARANTINE, "quarantined"),
        (Action.RELEASE, "approved"),
    ):
        await gateway.agents.act(ADMIN, action, "a")
        assert await _statuses(gateway) == {"a": status}
    assert (await gateway.agents.counts(ADMIN))["approved"] == 1
    acts = await gateway.audit.newest(ADMIN)
    assert [one.tool for one in acts[:2]] == ["agents.release", "agents.release"]
    assert (acts[0].caller, acts[0].status, acts[0].target) == ("root", 200, "agents/a")
    assert '"approved"' in acts[0].output


async def test_a_credential_is_not_written_down(gateway: Gateway) -> None:
    made = await gateway.agents.create(ADMIN, "b")
    assert made.credential not in repr(made)
    assert made.credential not in repr(await gateway.audit.newest(ADMIN))


async def test_who_sees_what(gateway: Gateway) -> None:
    await _register(gateway, "hers", "ann")
    await _register(gateway, "others")
    assert set(await _statuses(gateway, OPERATOR)) == {"hers"}
    assert set(await _statuses(gateway, VIEWER)) == {"hers", "others"}
    assert sum((await gateway.agents.counts(OPERATOR)).values()) == 1
    for forbidden in (
        gateway.agents.get(OPERATOR, "others"),
        gateway.agents.act(OPERATOR, Action.APPROVE, "others"),
        gateway.agents.rotate(OPERATOR, "others"),
        gateway.agents.act(VIEWER, Action.APPROVE, "hers"),
        gateway.agents.create(OPERATOR, "new"),
        gateway.policies.current(OPERATOR, "others"),
        gateway.policies.save(OPERATOR, "others", POLICY),
        gateway.policies.save(VIEWER, "hers", POLICY),
        gateway.statistics.agent(OPERATOR, "others", "24h"),
        gateway.users.page(OPERATOR),
        gateway.users.create(VIEWER, "x", "admin"),
        gateway.mcp.create(OPERATOR, "files", "http://127.0.0.1:9/mcp"),
        gateway.llms.create(VIEWER, "own-llm", "http://127.0.0.1:9", "openai"),
        gateway.audit.newest(OPERATOR),
        gateway.audit.verify(OPERATOR),
        gateway.audit.page(OPERATOR, RecordFilter()),
        gateway.audit.record(OPERATOR, "d"),
        gateway.audit.checkpoints(OPERATOR),
        gateway.audit.export(OPERATOR),
        gateway.users.sessions(OPERATOR, ["root"]),
        gateway.users.end_sessions(VIEWER, "root"),
        gateway.mcp.probe(OPERATOR, "files"),
        gateway.mcp.accept(VIEWER, "files", {}, True),
        gateway.audit.newest(OPERATOR, STRANGERS),
        gateway.keys.create(VIEWER, "x", "admin"),
    ):
        with pytest.raises(Refused):
            await forbidden
    await gateway.agents.act(OPERATOR, Action.APPROVE, "hers")
    assert await gateway.statistics.each(OPERATOR, ("hers", "others"), "24h") == {}
    assert (await gateway.traces.page(OPERATOR, Filter())).traces == ()


async def test_ending_sessions_ends_them_and_is_written_down(gateway: Gateway) -> None:
    token = await gateway.sessions.begin("ann", PASSWORD, "192.0.2.1")
    assert await gateway.users.sessions(ADMIN, ["ann", "eve"]) == {"ann": 1}
    await gateway.users.end_sessions(ADMIN, "ann")
    assert await gateway.sessions.find(token, "") is None
    assert await gateway.users.sessions(ADMIN, ["ann"]) == {}
    acts = await gateway.audit.newest(ADMIN)
    assert (acts[0].tool, acts[0].target) == ("users.end-sessions", "users/ann")


async def test_one_check_at_a_time(gateway: Gateway) -> None:
    first = asyncio.create_task(gateway.audit.verify(ADMIN))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="running already"):
        await gateway.audit.verify(VIEWER)
    assert (await first).whole
    assert (await gateway.audit.verify(VIEWER)).whole


async def test_a_server_s_tools_are_asked_through_the_gateway(gateway: Gateway) -> None:
    await gateway.mcp.create(ADMIN, "files", "http://127.0.0.1:9/mcp")
    with pytest.raises(Refused, match="cannot be reached"):
        await gateway.mcp.probe(ADMIN, "files")
    found = await gateway.mcp.look(VIEWER, "files")
    assert "cannot be reached" in found.error
    assert found.tools == ()
    page = await gateway.mcp.page(VIEWER)
    assert (await gateway.mcp.probes(VIEWER, page.entries))["files"].tools == 0
    with pytest.raises(Refused, match="have changed meanwhile"):
        await gateway.mcp.accept(ADMIN, "files", {"read": "0" * 64}, whole=False)


async def test_pages_and_search(gateway: Gateway) -> None:
    for agent_id in ("a", "b", "c"):
        await _register(gateway, agent_id)
    first = await gateway.agents.page(ADMIN, limit=2)
    assert [agent.agent_id for agent in first.agents] == ["a", "b"]
    last = await gateway.agents.page(ADMIN, after=first.following, limit=2)
    assert ([agent.agent_id for agent in last.agents], last.following) == (["c"], "")
    found = await gateway.agents.page(ADMIN, text=" B ")
    assert [agent.agent_id for agent in found.agents] == ["b"]


async def test_marks_move_with_what_changes(gateway: Gateway) -> None:
    before = await gateway.marks()
    await _register(gateway, "a")
    after = await gateway.marks()
    assert {one for one in before if before[one] != after[one]} == {"agents"}
    await gateway.llms.create(ADMIN, "own-llm", "http://127.0.0.1:9", "openai")
    last = await gateway.marks()
    assert {one for one in after if after[one] != last[one]} == {"registry"}


async def test_without_a_store_it_does_not_open(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", redis_url=f"unix://{tmp_path}/nothing")
    prepare(settings)
    with pytest.raises(Outage):
        async with open_gateway(settings):
            pass


async def test_a_draft_is_its_author_s_alone(gateway: Gateway) -> None:
    await _register(gateway, "hers", "ann")
    await gateway.drafts.keep(OPERATOR, "hers", "name: mine", 0, "{}")
    found = await gateway.drafts.get(OPERATOR, "hers")
    assert found is not None
    assert (found.text, found.account) == ("name: mine", "ann")
    assert await gateway.drafts.get(ADMIN, "hers") is None
    await _register(gateway, "others")
    for forbidden in (
        gateway.drafts.keep(VIEWER, "hers", "x", 0),
        gateway.drafts.drop(VIEWER, "hers"),
        gateway.drafts.get(OPERATOR, "others"),
        gateway.drafts.keep(OPERATOR, "others", "x", 0),
        gateway.drafts.keep(OPERATOR, "hers", "x" * 300_000, 0),
    ):
        with pytest.raises(Refused):
            await forbidden
    await gateway.drafts.drop(OPERATOR, "hers", "name: another")
    assert await gateway.drafts.get(OPERATOR, "hers") is not None
    await gateway.drafts.drop(OPERATOR, "hers")
    assert await gateway.drafts.get(OPERATOR, "hers") is None


async def test_who_was_slower_is_told_so(gateway: Gateway) -> None:
    await _register(gateway, "a")
    first = await gateway.policies.save(ADMIN, "a", "name: first", seen=0)
    second = await gateway.policies.save(ADMIN, "a", "name: second", seen=first.version)
    for late in (
        gateway.policies.save(ADMIN, "a", "name: late", seen=first.version),
        gateway.policies.rollback(ADMIN, "a", first.version, seen=first.version),
    ):
        with pytest.raises(LostUpdate, match="version 2 is active"):
            await late
    third = await gateway.policies.rollback(ADMIN, "a", first.version, seen=second.version)
    assert (third.version, third.document) == (3, first.document)


async def test_saved_and_not_in_force_is_told_apart(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _register(gateway, "a")

    async def never(_publisher: object, _agent_id: str) -> bool:
        return False

    monkeypatch.setattr("amaze_proxy.control.publisher.Publisher.publish", never)
    with pytest.raises(NotInForce, match="is saved but not yet in force"):
        await gateway.policies.save(ADMIN, "a", "name: first")
    current = await gateway.policies.current(ADMIN, "a")
    assert current is not None
    assert current.version.version == 1
