"""An address belongs to one agent."""

from __future__ import annotations

from amaze_proxy.control.errors import EndpointTaken
from amaze_proxy.history.bundle import History


async def free_endpoint(history: History, agent_id: str, host: str, port: int) -> None:
    """Raises EndpointTaken when another agent has said that it listens there."""
    others = [one for one in await history.agents.listening_at(host, port) if one != agent_id]
    if port and others:
        raise EndpointTaken(
            f"agent {others[0]} listens at {host}:{port}: give {agent_id} an address of its own"
        )
