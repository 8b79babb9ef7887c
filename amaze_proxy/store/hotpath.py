"""Function calls on the hot path: repeated where that is safe, functions loaded where they miss."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from amaze_proxy.store.calls import Call
from amaze_proxy.store.connection import TIMEOUT, Caller
from amaze_proxy.store.errors import ConnectionLost, FunctionMissing, StoreUnavailable
from amaze_proxy.store.wire import Reply

PROMPT = 0.4  # the share of the time-out within which a lost connection leaves a second try


class HotPath:
    """Calls that are awaited together leave as one packet, where the caller pipelines. `load`
    puts our functions into the server, within `timeout` seconds."""

    def __init__(
        self, caller: Caller, load: Callable[[], Awaitable[None]], timeout: float = TIMEOUT
    ) -> None:
        self.caller = caller
        self._timeout = timeout
        self._load_lock = asyncio.Lock()
        self._load = load
        self.errors = 0
        """Calls that failed, since the start."""

    async def call(self, call: Call) -> Reply:
        """The reply to an idempotent call. Raises StoreUnavailable.

        Once more only where that is safe: nothing ran, or running twice is harmless.
        """
        try:
            return await self._tried(call)
        except StoreUnavailable:
            self.errors += 1
            raise

    async def _tried(self, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            return await self.caller.fcall(call.function, call.keys, call.args)
        except FunctionMissing:
            await self.reload()
        except ConnectionLost:
            if loop.time() - begun > PROMPT * self._timeout:
                raise
        return await self.caller.fcall(call.function, call.keys, call.args)

    async def reload(self) -> None:
        """Our functions are in the server. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._timeout), self._load_lock:
                await self._load()
        except TimeoutError as error:
            raise StoreUnavailable("the store did not answer in time") from error

    async def close(self) -> None:
        """End the connections."""
        await self.caller.close()
