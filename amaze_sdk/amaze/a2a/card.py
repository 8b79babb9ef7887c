"""The agent's card, in a shape that clients of 1.0 and of 0.3 both read."""

from __future__ import annotations

from typing import Any

from amaze.a2a.versions import Version

PATHS = ("/.well-known/agent-card.json", "/.well-known/agent.json")  # the latter: 0.2

_MODES = ["text/plain", "application/json"]


def address(agent_id: str) -> str:
    """Where an agent is called: a name that the proxy alone resolves, whoever has it."""
    return f"http://{agent_id}/"


def card(agent_id: str) -> dict[str, Any]:
    """It says no more than the name: who may know more is a matter of policy, not of the card."""
    url = address(agent_id)
    return {
        "name": agent_id,
        "description": f"The agent {agent_id}, under aMaze governance",
        "version": "1",
        "capabilities": {"streaming": True, "pushNotifications": False},
        "defaultInputModes": _MODES,
        "defaultOutputModes": _MODES,
        "skills": [
            {
                "id": "message",
                "name": "Message",
                "description": "Takes a text or any JSON value, and replies",
                "tags": ["message"],
            }
        ],
        "supportedInterfaces": [
            {"url": url, "protocolBinding": binding, "protocolVersion": version.value}
            for binding, version in (
                ("JSONRPC", Version.V1_0),
                ("HTTP+JSON", Version.V1_0),
                ("JSONRPC", Version.V0_3),
            )
        ],
        "url": url,
        "preferredTransport": "JSONRPC",
        "protocolVersion": "0.3.0",
    }
