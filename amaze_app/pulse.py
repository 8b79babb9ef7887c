"""What has changed: one reader for all tabs of this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Protocol

from amaze_app.gateway import Outage

log = logging.getLogger(__name__)

_EVERY_S = 0.4


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


class Pulse:
    """Versions of the topics, kept by `run`. `trouble` says why nothing is live ("": it is)."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._marks: Mapping[str, str] = {}
        self._versions = dict.fromkeys(Topic, 0)
        self._changed = asyncio.Event()
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
        while True:
            await self.beat()
            await asyncio.sleep(_EVERY_S)

    async def beat(self) -> None:
        """Looks once. Never raises: pages that stand still while they say that they are live are
        worse than anything."""
        try:
            marks = await self._source.marks()
        except Outage as error:
            self._tell(f"Not live: {error}")
        except Exception:
            log.exception("the marks could not be read")
            self._tell("Not live: see the log of the UI")
        else:
            self._take(marks)
            self._tell("")

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
