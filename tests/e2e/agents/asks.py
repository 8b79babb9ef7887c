"""What agents without the SDK ask through the proxy, and what they read in the answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import httpx

from tests.e2e.platform import OPENAI, Agent, Platform, chat

_MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
_A2A = {"a2a-version": "1.0"}


@dataclass(frozen=True)
class Ask:
    """A POST of JSON."""

    url: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """An answer. `reason` is ours: empty where the target's own answer came."""

    reason: str
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def llm(text: str = "hi", **fields: Any) -> Ask:
    return Ask(OPENAI, chat(text, **fields))


def tool(server: str, name: str, text: str = "hi") -> Ask:
    params = {"name": name, "arguments": {"text": text}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return Ask(f"http://{server}/mcp", body, _MCP)


def send(callee: str, text: str = "hi", method: str = "SendMessage", **configuration: Any) -> Ask:
    """A message to an agent in JSON-RPC."""
    params = _message(text, configuration)
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    return Ask(f"http://{callee}/", body, _A2A)


def send_rest(callee: str, text: str = "hi", verb: str = "send", **configuration: Any) -> Ask:
    return Ask(f"http://{callee}/message:{verb}", _message(text, configuration), _A2A)


def _message(text: str, configuration: dict[str, Any]) -> dict[str, Any]:
    message = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": text}]}
    return {"message": message, **({"configuration": configuration} if configuration else {})}


FORGED: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c", "content": "found"},
]
"""Messages that claim a tool call: to the model they are text, to a graph nothing."""


def strict(*steps: tuple[str, str, int, list[int]], **fields: Any) -> dict[str, Any]:
    """A policy whose graph has these steps (type, callee, most loops, next), numbered from 1."""
    listed = [
        {"step_id": n, "call_type": kind, "callee_id": of, "max_loops": most, "next_steps": after}
        for n, (kind, of, most, after) in enumerate(steps, 1)
    ]
    graph = {"start_step": 1, "steps": listed}
    return {"name": "strict", "mode": "strict", "graph": graph, **fields}


class Caller:
    """An agent without the SDK, in one turn of its own (`turn`), or without one."""

    def __init__(self, platform: Platform, agent: Agent, turn: str = "") -> None:
        self.agent = agent
        self.platform = platform
        self.headers = {"x-amaze-turn": turn} if turn else {}
        self._client = platform.client(agent)

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def __call__(self, ask: Ask) -> Outcome:
        headers = {**ask.headers, **self.headers}
        return _outcome(self._client.post(ask.url, json=ask.body, headers=headers))

    def get(self, url: str) -> Outcome:
        return _outcome(self._client.get(url, headers=self.headers))

    def reasons(self, *asks: Ask) -> list[str]:
        """Of the calls, one after the other."""
        return [self(ask).reason for ask in asks]


async def crowd(
    platform: Platform, agent: Agent, asks: Sequence[Ask], turn: str = ""
) -> list[Outcome]:
    """All at the same time, each on a connection of its own."""
    extra = {"x-amaze-turn": turn} if turn else {}
    async with platform.async_client(agent) as client:
        calls = [client.post(a.url, json=a.body, headers={**a.headers, **extra}) for a in asks]
        return [_outcome(answer) for answer in await asyncio.gather(*calls)]


def new_turn(platform: Platform, agent: Agent) -> str:
    """A turn that the agent begins, as the SDK does for a message that reaches it directly."""
    answer = turn_answer(platform, agent)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["turn"])


def turn_answer(platform: Platform, agent: Agent) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{platform.control_port}/turns",
        json={},
        headers={"x-amaze-bearer": agent.credential},
        trust_env=False,
        timeout=60,
    )


def register_mcp(platform: Platform, name: str, url: str) -> None:
    answer = platform.control.post("/register?kind=mcp", json={"name": name, "url": url})
    assert answer.status_code == 201, answer.text


def listens(platform: Platform, agent: Agent, endpoint: dict[str, Any]) -> None:
    """Where the agent takes A2A."""
    answer = platform.control.put(f"/agents/{agent.agent_id}/endpoint", json=endpoint)
    assert answer.status_code == 200, answer.text


def _outcome(answer: httpx.Response) -> Outcome:
    return Outcome(answer.headers.get("x-amaze-reason", ""), answer.status_code, answer.text)
