"""Where a call belongs, and the last one that is known of each agent without signed turns."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call's trace, the span before it, and the hops from agent to agent so far."""

    trace_id: str
    parent_span: str = ""
    depth: int = 0


class Ambients:
    """The last ambient conversation of each agent, the least recently used dropped."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._known: OrderedDict[str, Conversation] = OrderedDict()

    def get(self, agent_id: str) -> Conversation | None:
        return self._known.get(agent_id)

    def put(self, agent_id: str, conversation: Conversation) -> None:
        self._known[agent_id] = conversation
        self._known.move_to_end(agent_id)
        if len(self._known) > self._size:
            self._known.popitem(last=False)
