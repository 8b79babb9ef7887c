"""The control API as an ASGI application: the composition of this room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from amaze_proxy.control.api.routes import build
from amaze_proxy.control.clock import Clock, now_ms
from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.messages import message_client
from amaze_proxy.control.reach import NOWHERE, Reach
from amaze_proxy.control.services import wire
from amaze_proxy.history.bundle import History
from amaze_proxy.store.store import Store


def create_app(
    config: ControlConfig,
    store: Store,
    history: History,
    clock: Clock = now_ms,
    reach: Reach = NOWHERE,
) -> Starlette:
    """The application over an opened store and history, which stay the caller's to close; MCP
    servers are probed by `reach`.

    Its lifespan, which an ASGI server (or test) must run, runs the reconciler, the archiver and
    the sweeper.
    """
    client = message_client(config.chat_timeout)
    services = wire(config, store, history, client, clock, reach)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with client, asyncio.TaskGroup() as tasks:
            loops = (services.reconciler, services.archiver, services.sweeper)
            running = [tasks.create_task(one.run(), name=type(one).__name__) for one in loops]
            try:
                yield
            finally:
                for loop, task in zip(loops, running, strict=True):
                    loop.stop()
                    task.cancel()

    return build(services, lifespan)
