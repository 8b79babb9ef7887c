from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from amaze import context, current_turn, egress, patches
from amaze.egress import Egress
from amaze.settings import Origin


@pytest.fixture(autouse=True)
def governed() -> object:
    patches.install()
    egress.set_current(Egress(Origin("http", "proxy", 1), "one", Path("ca.pem"), "amz_one.s"))
    yield
    egress.set_current(None)


def in_thread(function: object) -> None:
    thread = threading.Thread(target=function)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_no_turn_outside_of_a_message() -> None:
    assert current_turn() is None


def test_a_thread_belongs_to_the_turn_that_started_it() -> None:
    seen: list[str | None] = []
    with context.turn("t1"):
        in_thread(lambda: in_thread(lambda: seen.append(current_turn())))
    in_thread(lambda: seen.append(current_turn()))
    assert seen == ["t1", None]


def test_a_thread_with_its_own_run_does_too() -> None:
    class Worker(threading.Thread):
        seen: str | None = None

        def run(self) -> None:
            self.seen = current_turn()

    with context.turn("t1"):
        worker = Worker()
        worker.start()
    worker.join()
    assert worker.seen == "t1"


def test_a_pool_thread_belongs_to_whoever_submits() -> None:
    with ThreadPoolExecutor(1) as pool:
        with context.turn("t1"):
            first = pool.submit(current_turn).result()
        with context.turn("t2"):
            second = list(pool.map(lambda _: current_turn(), range(2)))
        assert (first, second, pool.submit(current_turn).result()) == ("t1", ["t2", "t2"], None)


def test_a_pools_thread_is_of_no_turn_itself() -> None:
    """Callbacks run in the thread that some message's submit happened to start."""
    seen: list[str | None] = []
    with ThreadPoolExecutor(1) as pool:
        with context.turn("t1"):
            pool.submit(current_turn).result()
        with context.turn("t2"):
            release = threading.Event()
            future = pool.submit(release.wait, 10)
            future.add_done_callback(lambda _: seen.append(current_turn()))
            release.set()
    assert seen == [None]


async def test_concurrent_tasks_keep_their_turns() -> None:
    barrier = asyncio.Barrier(20)

    async def handle(token: str) -> list[str | None]:
        with context.turn(token):
            await barrier.wait()
            child = asyncio.create_task(asyncio.to_thread(current_turn))
            in_executor = asyncio.get_running_loop().run_in_executor(None, current_turn)
            return [current_turn(), await child, await in_executor]

    answers = await asyncio.gather(*(handle(f"t{n}") for n in range(20)))
    assert answers == [[f"t{n}"] * 3 for n in range(20)]
