from __future__ import annotations

import asyncio

from amaze_proxy.wire.timer import Deadline
from tests.patience import PATIENCE


async def test_it_expires_once() -> None:
    fired = asyncio.Event()
    deadline = Deadline(asyncio.get_running_loop(), fired.set)
    deadline.arm(0.001)
    await fired.wait()
    fired.clear()
    await asyncio.sleep(0.005)
    assert not fired.is_set()


async def test_moved_later_it_waits_and_earlier_it_does_not() -> None:
    loop = asyncio.get_running_loop()
    fired = asyncio.Event()
    deadline = Deadline(loop, fired.set)
    begun = loop.time()
    deadline.arm(0.001)
    deadline.arm(0.03)
    await fired.wait()
    assert loop.time() - begun >= 0.03
    fired.clear()
    deadline.arm(3600)
    deadline.arm(0.001)
    async with asyncio.timeout(PATIENCE):
        await fired.wait()


async def test_disarmed_or_closed_it_does_not_expire() -> None:
    fired = asyncio.Event()
    deadline = Deadline(asyncio.get_running_loop(), fired.set)
    deadline.arm(0.001)
    deadline.disarm()
    await asyncio.sleep(0.005)
    deadline.arm(0.001)
    deadline.close()
    await asyncio.sleep(0.005)
    assert not fired.is_set()
