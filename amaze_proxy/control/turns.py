"""Turns: the handling of one message, as a token that the proxy can verify by itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import (
    NotApproved,
    TurnInvalid,
    TurnsRefused,
    checked_id,
)
from amaze_proxy.control.lifecycle import existing, not_barred
from amaze_proxy.control.policies import parse
from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.history.bundle import History
from amaze_proxy.policy.model import Turns as TurnSource
from amaze_proxy.policy.turn import Turn, mint, verify
from amaze_proxy.protocols import tracecontext
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.store import Store


@dataclass(frozen=True, slots=True)
class Minted:
    """A new turn and the token that proves it."""

    turn: Turn
    token: str


class Turns:
    """Mints turns for agents that may work."""

    def __init__(self, turn_key: bytes, history: History, store: Store, clock: Clock) -> None:
        self._key = turn_key
        self._history = history
        self._store = store
        self._clock = clock

    async def for_agent(
        self, agent_id: str, traceparent: str = "", present: str | None = None
    ) -> Minted:
        """A turn that the agent itself asks for: a message reached it directly.

        It joins the trace of a valid W3C `traceparent`. `present` is the token of the turn that
        the agent is in: its trace and depth are kept, however old it is. The new turn is as deep
        as the deepest message that another agent has on its way to this one: nobody gets rid of
        `max_agent_depth` by asking for a new turn. Raises InvalidId, AgentNotFound,
        AgentBarred, NotApproved, TurnInvalid, TurnsRefused, HistoryUnavailable, StoreUnavailable.
        """
        inside = None if present is None else self._shown(agent_id, present)
        await self.may_work(agent_id)
        active = await self._history.policies.active(agent_id)
        if active is not None and parse(active.document).turns is TurnSource.GATEWAY:
            raise TurnsRefused(
                f"the policy of {agent_id} takes turns from the gateway alone: send the message "
                f"through POST /agents/{agent_id}/messages, or set turns: any in the policy"
            )
        depth = await self._store.peers.depth(agent_id)
        return self.mint(agent_id, traceparent, inside, depth)

    async def may_work(self, agent_id: str) -> AgentRecord:
        """The agent, if it is approved. Raises as `for_agent` does."""
        record = existing(await self._history.agents.get(checked_id(agent_id)), agent_id)
        if not_barred(record).status != AgentStatus.APPROVED:
            raise NotApproved(f"{agent_id} waits for its approval: POST /agents/{agent_id}/approve")
        return record

    def mint(
        self, agent_id: str, traceparent: str = "", inside: Turn | None = None, depth: int = 0
    ) -> Minted:
        """A turn of `agent_id`: `inside` the trace of another turn of it, in the one of
        `traceparent`, or in a new one. `depth`: at least so deep."""
        told = tracecontext.parse(traceparent)
        turn = Turn(
            agent_id=agent_id,
            turn_id=f"turn_{secrets.token_hex(12)}",
            trace_id=told.trace_id if told else secrets.token_hex(16),
            parent_span=told.span_id if told else "",
            issued_ms=self._clock(),
            depth=depth,
        )
        if inside is not None:
            turn = replace(
                turn,
                trace_id=inside.trace_id,
                parent_span=inside.parent_span,
                depth=max(depth, inside.depth),
            )
        return Minted(turn, mint(self._key, turn))

    def _shown(self, agent_id: str, token: str) -> Turn:
        turn = verify(self._key, token)
        if turn is None or turn.agent_id != agent_id:
            raise TurnInvalid(f"X-Amaze-Turn is not a turn of {agent_id}: send its own, or none")
        return turn
