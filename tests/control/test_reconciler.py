"""The store fails, comes back, comes back empty, while the control plane runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from amaze_proxy.control.publisher import Publisher

POLICY = {"name": "p"}


async def test_a_policy_saved_while_the_store_is_down_is_published_when_it_is_back(
    serve, config, own_valkey, own_store, history, clock, until
) -> None:
    store = own_store
    async with serve(config, store, history, clock) as control:
        await control.ask("PUT", "/policy/a", json=POLICY)
        own_valkey.stop()
        answer = await control.ask("PUT", "/policy/a", json={"name": "second"})
        assert (answer.status_code, answer.json()["code"]) == (503, "not-in-force")
        assert "version 2" in answer.json()["detail"]
        shown = (await control.ask("GET", "/policy/a")).json()
        assert (shown["version"], shown["in_force"]) == (2, None)
        sick = await control.client.get("/health")
        assert sick.status_code == 503
        assert sick.json()["parts"]["sql"] == "ok"
        assert "does not answer" in sick.json()["parts"]["redis"]
        assert "amaze_changes_not_in_force 1.0\n" in (await control.client.get("/metrics")).text

        own_valkey.start()

        async def in_force() -> bool:
            return (await control.ask("GET", "/policy/a")).json()["in_force"] is True

        await until(in_force)
        assert (await store.policies.get("a")).document == '{"name":"second"}'


async def test_what_happens_to_agents_while_the_store_is_down_follows(
    serve, config, own_valkey, own_store, history, clock, until
) -> None:
    store = own_store
    async with serve(config, store, history, clock) as control:
        held = await control.create("a", policy=POLICY)
        gone = await control.create("b", policy=POLICY)
        own_valkey.stop()
        stopped = await control.ask("POST", "/agents/a/quarantine")
        assert (stopped.status_code, stopped.json()["code"]) == (503, "not-in-force")
        deleted = await control.ask("DELETE", "/agents/b")
        assert deleted.json()["code"] == "not-in-force"
        again = await control.ask("POST", "/agents", json={"agent_id": "b"})
        assert (again.status_code, again.json()["code"]) == (409, "being-deleted")
        made = await control.ask("POST", "/agents", json={"agent_id": "c"})
        assert (made.status_code, made.json()["in_force"]) == (201, False)
        registered = await control.register("d")
        assert (registered.status_code, registered.json()["in_force"]) == (200, False)
        audit = await control.ask("GET", "/agents/a/audit")
        assert (audit.status_code, audit.json()["code"]) == (503, "redis-unavailable")

        own_valkey.start()

        async def in_force() -> bool:
            return "amaze_changes_not_in_force 0.0\n" in (await control.client.get("/metrics")).text

        await until(in_force)
        assert (await store.agents.get("a")).status == "quarantined"
        assert await store.agents.get("b") is None
        assert await control.in_store(held) == "active"
        assert await control.in_store(gone) == "none"
        assert await control.in_store(made.json()["credential"]) == "active"
        assert await control.in_store(registered.json()["bearer_token"]) == "active"
        assert (await control.ask("POST", "/agents", json={"agent_id": "b"})).status_code == 201


async def test_a_store_that_was_wiped_gets_everything_again(control, until) -> None:
    held = await control.create("a", policy=POLICY)
    await control.register("b")
    await control.ask("POST", "/agents/b/quarantine")
    await control.ask("PUT", "/policy/nobody", json=POLICY)
    await control.store.client.flushall()
    await control.store.client.function_flush()

    async def everything() -> bool:
        return (
            await control.in_store(held) == "active"
            and (found := await control.store.agents.get("b")) is not None
            and found.status == "quarantined"
            and await control.store.policies.get("a") is not None
            and await control.store.policies.get("nobody") is not None
        )

    await until(everything)

    async def told() -> bool:
        records = await control.store.audit.recent("_admin")
        return [one.alert for one in records if one.caller == "reconciler"] == ["store-emptied"]

    await until(told)
    assert (await control.client.get("/health")).status_code == 200


async def test_while_the_store_is_filled_again_health_says_so(
    serve, config, store, history, clock, until, monkeypatch
) -> None:
    async with serve(config, store, history, clock) as control:
        await control.create("a")
        held = asyncio.Event()
        bring = Publisher._bring

        async def slowly(self, name: str) -> bool:
            await held.wait()
            return await bring(self, name)

        async def sick() -> bool:
            answer = await control.client.get("/health")
            return answer.status_code == 503 and "emptied" in answer.json()["parts"]["published"]

        async def well() -> bool:
            return (await control.client.get("/health")).status_code == 200

        monkeypatch.setattr(Publisher, "_bring", slowly)
        await store.client.flushall()
        await until(sick)
        held.set()
        await until(well)


async def test_a_start_publishes_what_a_crash_left(
    serve, config, store, history, clock, until
) -> None:
    async with serve(config, store, history, clock) as control:
        held = await control.create("a", policy=POLICY)
    await store.client.flushall()
    async with serve(config, store, history, clock) as control:

        async def everything() -> bool:
            return (
                await control.in_store(held) == "active"
                and await store.policies.get("a") is not None
            )

        await until(everything)


async def test_a_small_loss_is_found_by_the_whole_pass(
    serve, config, store, history, clock, until
) -> None:
    often = replace(config, republish_every=0.05)
    async with serve(often, store, history, clock) as control:
        held = await control.create("a", policy=POLICY)
        await store.client.delete("cred:{a}")

        async def there() -> bool:
            return await control.in_store(held) == "active"

        await until(there)


async def test_what_happens_to_servers_while_the_store_is_down_follows(
    serve, config, own_valkey, own_store, history, clock, until
) -> None:
    store = own_store
    server = {"name": "s", "url": "http://s/mcp"}
    async with serve(config, store, history, clock) as control:
        await control.ask("POST", "/mcp_servers", json=server)
        await control.ask("POST", "/mcp_servers", json={**server, "name": "gone"})
        own_valkey.stop()
        stopped = await control.ask("POST", "/mcp_servers/s/reject")
        assert (stopped.status_code, stopped.json()["code"]) == (503, "not-in-force")
        deleted = await control.ask("DELETE", "/mcp_servers/gone")
        assert deleted.json()["code"] == "not-in-force"
        again = await control.ask("POST", "/mcp_servers", json={**server, "name": "gone"})
        assert (again.status_code, again.json()["code"]) == (409, "being-deleted")
        host = {"name": "h", "url": "http://h/v1", "dialect": "openai"}
        made = await control.ask("POST", "/llms", json=host)
        assert (made.status_code, made.json()["in_force"]) == (201, False)
        registered = await control.client.post("/register?kind=mcp", json={**server, "name": "new"})
        assert (registered.status_code, registered.json()["in_force"]) == (201, False)
        assert "amaze_changes_not_in_force 4.0\n" in (await control.client.get("/metrics")).text

        own_valkey.start()

        async def in_force() -> bool:
            return "amaze_changes_not_in_force 0.0\n" in (await control.client.get("/metrics")).text

        await until(in_force)
        assert [(one.name, one.status) for one in await store.registry.mcps()] == [
            ("new", "pending"),
            ("s", "rejected"),
        ]
        assert [one.name for one in await store.registry.llms()] == ["h"]


async def test_servers_and_hosts_are_published_again(
    serve, config, store, history, clock, until
) -> None:
    async def everything() -> bool:
        return (
            await store.registry.mcp("s") is not None and await store.registry.llm("h") is not None
        )

    async with serve(config, store, history, clock) as control:
        host = {"name": "h", "url": "http://h/v1", "dialect": "openai"}
        await control.ask("POST", "/llms", json=host)
        await control.ask("POST", "/mcp_servers", json={"name": "s", "url": "http://s/mcp"})
        await store.client.flushall()
        await until(everything)
    await store.client.flushall()
    async with serve(config, store, history, clock):
        await until(everything)


async def test_one_that_cannot_publish_does_not_stop_the_others(
    serve, config, store, history, clock, until
) -> None:
    await store.client.hset("mcp:s", mapping={"nonsense": "1"})
    await store.client.sadd("mcps", "s")
    async with serve(config, store, history, clock) as control:
        held = await control.create("a")
        await store.client.delete("agent:{a}", "cred:{a}")

        async def there() -> bool:
            return await control.in_store(held) == "active"

        await until(there)
