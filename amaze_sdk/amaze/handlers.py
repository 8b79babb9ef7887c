"""The author's functions: found by name in their module, called whether sync or async."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

USER_HANDLER = "receive_message_from_user"
AGENT_HANDLER = "receive_message_from_agent"
SIGNATURES = {
    USER_HANDLER: f"{USER_HANDLER}(message)",
    AGENT_HANDLER: f"{AGENT_HANDLER}(caller, message)",
}
_CLOSE_WAIT = 1.5  # seconds

Namespace = Mapping[str, Any]


def find(namespaces: Sequence[Namespace], name: str) -> Callable[..., Any] | None:
    """The function of that name in the first namespace that has one.

    Looked up at each message: with `block=False` it may be defined after `init`.
    """
    for namespace in namespaces:
        function = namespace.get(name)
        if callable(function):
            found: Callable[..., Any] = function
            return found
    return None


class HandlerLoop:
    """One event loop in a thread of its own, on which all async handlers run.

    Sharing it lets handlers keep async clients and locks between messages.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="amaze-handlers", daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function` and wait for its answer: a coroutine runs on the loop, the rest here.

        The coroutine's task gets a copy of the caller's context, its turn included.
        """
        answer = function(*args)
        if not inspect.isawaitable(answer):
            return answer
        try:
            return asyncio.run_coroutine_threadsafe(_await(answer), self._loop).result()
        except CancelledError:
            raise RuntimeError("the agent is shutting down") from None

    def close(self) -> None:
        """Cancel what still runs, and end the thread.

        A handler that blocks the loop cannot be cancelled: its thread ends with the process.
        """
        asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        self._thread.join(_CLOSE_WAIT)

    def _run(self) -> None:
        # Closed where it ran: whoever calls `close` may have a running loop of its own.
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()


async def _await(answer: Awaitable[Any]) -> Any:
    return await answer
