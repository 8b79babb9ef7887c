"""The calls that are being answered now, so that a kill switch also stops a running stream."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

Task = asyncio.Task[Any]


class InFlight:
    """Tasks of running calls by agent. `watch` stops those of agents that may no longer call."""

    def __init__(self) -> None:
        self._tasks: dict[str, set[Task]] = defaultdict(set)
        self._stopped: set[Task] = set()
        self._closed = False

    @property
    def running(self) -> int:
        """How many calls there are."""
        return sum(map(len, self._tasks.values()))

    def close(self) -> None:
        """End `watch`. A cancellation alone can get lost in redis-py on Python 3.11."""
        self._closed = True

    def enter(self, agent_id: str) -> Callable[[], None]:
        """The current task works for this agent until the returned function is called."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call runs in a task")
        self._tasks[agent_id].add(task)

        def leave() -> None:
            self._stopped.discard(task)
            self._tasks[agent_id].discard(task)
            if not self._tasks[agent_id]:
                del self._tasks[agent_id]

        return leave

    def was_stopped(self) -> bool:
        """Whether the current task's cancellation came from `stop`."""
        return asyncio.current_task() in self._stopped

    def stop(self, agent_id: str) -> None:
        """Cancel every running call of the agent."""
        for task in list(self._tasks.get(agent_id, ())):
            if task not in self._stopped:
                self._stopped.add(task)
                task.cancel()

    async def watch(self, blocked: Callable[[str], Awaitable[bool]], every: float = 0.5) -> None:
        """Until `close`: stop the running calls of agents that `blocked` says of. Seconds."""
        while not self._closed:
            await asyncio.sleep(every)
            for agent_id in list(self._tasks):
                if await blocked(agent_id):
                    self.stop(agent_id)
