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


def test_a_call_runs_in_a_task() -> None:
    async def enter() -> None:
        asyncio.get_running_loop().call_soon(outside)
        await done.wait()

    def outside() -> None:
        with pytest.raises(RuntimeError, match="in a task"):
            InFlight().enter("a")
        done.set()

    done = asyncio.Event()
    asyncio.run(enter())


async def test_two_calls_of_one_agent_come_and_go_and_are_stopped_once() -> None:
    in_flight = InFlight()
    cancelled: list[int] = []
    begun = asyncio.Barrier(3)

    async def call() -> None:
        leave = in_flight.enter("a")
        try:
            await begun.wait()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            cancelled.append(task.cancelling())
        finally:
            leave()
            leave()  # again does no harm

    calls = [asyncio.create_task(call()) for _ in range(2)]
    await begun.wait()
    in_flight.stop("a")
    in_flight.stop("a")
    await asyncio.gather(*calls)
    assert cancelled == [1, 1]
    in_flight.stop("a")


async def test_watch_leaves_the_others_alone_and_ends_when_closed() -> None:
    in_flight = InFlight()
    asked = asyncio.Event()

    async def blocked(agent_id: str) -> bool:
        asked.set()
        return False

    leave = in_flight.enter("good")
    watching = asyncio.create_task(in_flight.watch(blocked, every=0.001))
    await asked.wait()
    in_flight.close()
    await watching
    leave()
    assert not in_flight.was_stopped()
