"""The demo's operator: hires the agents, approves the MCP server, reads the records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from amaze_proxy.demo import cast

Record = Mapping[str, Any]
_POLL_S = 0.1
_KEEPS = "200"  # records of an agent that are looked through for new ones


class Operator:
    """Talks to the control API with the admin key."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._seen: set[str] = set()

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, key: str) -> AsyncIterator[Operator]:
        """The operator of the control API at `url`."""
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(
            base_url=url, headers=headers, trust_env=False, timeout=120
        ) as client:
            yield cls(client)

    async def hire(self, agent_id: str) -> str:
        """Create the agent with its policy, or give it a fresh credential; returns that."""
        policy = cast.POLICIES[agent_id]
        known = await self._call("GET", "/agents")
        if agent_id in {agent["agent_id"] for agent in known["agents"]}:
            await self._call("PUT", f"/policy/{agent_id}", json=policy)
            made = await self._call("POST", f"/agents/{agent_id}/rotate")
        else:
            body = {"agent_id": agent_id, "policy": policy, "owner": "demo"}
            made = await self._call("POST", "/agents", json=body)
        return str(made["credential"])

    async def say_where(self, agent_id: str, port: int) -> None:
        """Where an agent without the SDK takes A2A calls, on this machine."""
        place = {"a2a_host": "127.0.0.1", "a2a_port": port}
        await self._call("PUT", f"/agents/{agent_id}/endpoint", json=place)

    async def approve_server(self, name: str) -> str:
        """Approve the MCP server where it registered itself; returns what it was before."""
        found = await self._call("GET", f"/mcp_servers/{name}")
        waits = found["pending"]
        url = waits["url"] if waits else found["url"]
        await self._call("POST", f"/mcp_servers/{name}/approve", json={"url": url})
        return "pending" if waits else str(found["status"])

    async def send(self, message: str, show: Callable[[Record], None]) -> Mapping[str, Any]:
        """A user's message to the research agent; `show` gets each record as it appears."""
        path = f"/agents/{cast.RESEARCHER}/messages"
        answering = asyncio.create_task(self._call("POST", path, json={"message": message}))
        while True:
            done, _ = await asyncio.wait((answering,), timeout=_POLL_S)
            for record in await self.new_records():
                show(record)
            if done:
                answer: Mapping[str, Any] = answering.result()
                return answer

    async def new_records(self) -> list[Record]:
        """The cast's records since the last time, in the order in which the calls ended."""
        found = [record for agent_id in cast.POLICIES for record in await self._records(agent_id)]
        new = [record for record in found if record["decision_id"] not in self._seen]
        self._seen |= {record["decision_id"] for record in new}
        return sorted(new, key=lambda record: float(record["ts"] + record["latency_ms"]))

    async def _records(self, agent_id: str) -> list[Record]:
        found: list[Record] = await self._call(
            "GET", f"/agents/{agent_id}/audit", params={"limit": _KEEPS}
        )
        return found

    async def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = await self._client.request(method, path, **kwargs)
        answer.raise_for_status()
        return answer.json()
