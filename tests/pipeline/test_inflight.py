"""Running calls can be stopped by agent."""

from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.pipeline.inflight import InFlight


async def test_stop_cancels_the_calls_of_that_agent_alone() -> None:
    in_flight = InFlight()
    stopped: dict[str, bool] = {}
    begun = asyncio.Barrier(3)

    async def call(agent_id: str) -> None:
        leave = in_flight.enter(agent_id)
        try:
            await begun.wait()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped[agent_id] = in_flight.was_stopped()
            raise
        finally:
            leave()

    bad, good = asyncio.create_task(call("bad")), asyncio.create_task(call("good"))
    await begun.wait()
    in_flight.stop("bad")
    with pytest.raises(asyncio.CancelledError):
        await bad
    assert not good.done()
    good.cancel()
    with pytest.raises(asyncio.CancelledError):
        await good
    assert stopped == {"bad": True, "good": False}


async def test_watch_stops_agents_that_are_blocked() -> None:
    in_flight = InFlight()
    asked: list[str] = []

    async def blocked(agent_id: str) -> bool:
        asked.append(agent_id)
        return agent_id == "bad"

    async def call() -> None:
        leave = in_flight.enter("bad")
        try:
            await asyncio.Event().wait()
        finally:
            leave()

    watching = asyncio.create_task(in_flight.watch(blocked, every=0.001))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(call())
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert asked[0] == "bad"
