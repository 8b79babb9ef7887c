"""What has changed: one reader for all tabs of this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Protocol

from amaze_app.gateway import Outage

log = logging.getLogger(__name__)

_EVERY_S = 0.4
_LOOK_EVERY_S = 2.0


class Topic(StrEnum):
    """What a page may depend on; the names of the gateway's marks."""

    AGENTS = "agents"
    POLICIES = "policies"
    REGISTRY = "registry"  # MCP servers and LLM hosts
    PEOPLE = "people"  # users and their keys
    CALLS = "calls"  # archived calls: traces, alerts, statistics


class Source(Protocol):
    """Where the marks come from."""

    async def marks(self) -> Mapping[str, str]: ...

    async def standstill(self) -> str: ...


class Pulse:
    """Versions of the topics, kept by `run`. `trouble` says why nothing is live ("": it is)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._marks: Mapping[str, str] = {}
        self._versions = dict.fromkeys(Topic, 0)
        self._changed = asyncio.Event()
        self._troubles: dict[str, str] = {}
        self.trouble = ""

    def version(self, topics: Collection[Topic]) -> int:
        """A number that grows with each change of one of the topics."""
        return sum(self._versions[topic] for topic in topics)

    async def changed(self, patience: float) -> None:
        """Returns at the next change, or after `patience` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._changed.wait()
        self._changed.clear()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_again(_EVERY_S, self.beat), name="beat")
            # beside it: what does not answer keeps it waiting
            tasks.create_task(_again(_LOOK_EVERY_S, self.look), name="look")

    async def beat(self) -> None:
        """Reads the marks once. Never raises: pages that stand still while they say that they are
        live are worse than anything."""
        with self._telling("marks"):
            self._take(await self._source.marks())

    async def look(self) -> None:
        """Looks once whether calls come through to here. Never raises."""
        with self._telling("standstill"):
            if why := await self._source.standstill():
                raise Outage(why)

    @contextmanager
    def _telling(self, subject: str) -> Iterator[None]:
        try:
            yield
        except Outage as error:
            self._troubles[subject] = f"Not live: {error}"
        except Exception:
            log.exception("the %s could not be read", subject)
            self._troubles[subject] = "Not live: see the log of the UI"
        else:
            self._troubles.pop(subject, None)
        self._tell(next(iter(self._troubles.values()), ""))

    def _take(self, marks: Mapping[str, str]) -> None:
        moved = [topic for topic in Topic if marks[topic] != self._marks.get(topic)]
        for topic in moved:
            self._versions[topic] += 1
        self._marks = marks
        if moved:
            self._changed.set()

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            if trouble:
                log.warning("%s", trouble)
            self.trouble = trouble
            self._changed.set()


async def _again(pause: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await work()
        await asyncio.sleep(pause)
