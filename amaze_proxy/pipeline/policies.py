"""The policies in force, as this worker last saw them.

The cache may be old: `admit` compares the version that a decision was made with, and answers
`stale` when it is not the current one. That is what makes a change govern the next request.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from amaze_proxy.policy.model import Policy, load_policy


class Published(Protocol):
    """A policy as the store has it."""

    @property
    def version(self) -> int: ...
    @property
    def document(self) -> str: ...


class Source(Protocol):
    """Where policies are read; `store.policies` is one."""

    async def get(self, agent_id: str) -> Published | None: ...


@dataclass(frozen=True, slots=True)
class InForce:
    """An agent's policy and its version; no policy has version 0."""

    version: int
    policy: Policy | None


class PolicyCache:
    """The last seen policy of each agent, the least recently used dropped."""

    def __init__(self, source: Source, size: int = 10_000) -> None:
        self._source = source
        self._size = size
        self._known: OrderedDict[str, InForce] = OrderedDict()

    async def get(self, agent_id: str) -> InForce:
        """As last seen; read from the store the first time."""
        known = self._known.get(agent_id)
        if known is None:
            return await self.reload(agent_id)
        self._known.move_to_end(agent_id)
        return known

    async def reload(self, agent_id: str) -> InForce:
        """Read anew. Raises StoreUnavailable, and PolicyError for a document that is no policy."""
        published = await self._source.get(agent_id)
        if published is None:
            found = InForce(0, None)
        else:
            found = InForce(published.version, load_policy(published.document))
        self._known[agent_id] = found
        self._known.move_to_end(agent_id)
        while len(self._known) > self._size:
            self._known.popitem(last=False)
        return found
