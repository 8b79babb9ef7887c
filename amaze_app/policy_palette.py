"""What a step of a graph could call: what is registered, as policies name it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from amaze_app.gateway import Gateway, Principal

SHOWN = 60
_SERVERS = 200
_AGENTS = 500
_HOSTS = 200


@dataclass(frozen=True)
class Callee:
    """The callee of a step of this kind."""

    kind: str
    name: str


async def palette(gateway: Gateway, who: Principal) -> tuple[Callee, ...]:
    """Tools of approved MCP servers, the agents that this person sees, LLM providers. Raises
    Refused, Outage."""
    servers = (await gateway.mcp.page(who, "approved", "", _SERVERS)).entries
    tools = await gateway.mcp.tools(who, servers)
    agents = (await gateway.agents.page(who, limit=_AGENTS)).agents
    hosts = (await gateway.llms.page(who, "", _HOSTS)).entries
    providers = sorted({*gateway.llms.built_in, *(one.name for one in hosts)})
    return (
        *(Callee("tool", name) for name in _tools(tools)),
        *(Callee("agent", one.agent_id) for one in agents),
        *(Callee("llm", name) for name in providers),
    )


def matching(callees: Iterable[Callee], text: str) -> list[Callee]:
    """Those with every word of the text in their kind or name."""
    words = text.lower().split()
    return [
        one for one in callees if all(word in f"{one.kind} {one.name.lower()}" for word in words)
    ]


def _tools(tools: Mapping[str, Iterable[str]]) -> list[str]:
    return sorted(f"{server}/{tool}" for server, names in tools.items() for tool in names)
