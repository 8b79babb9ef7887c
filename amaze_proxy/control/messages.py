"""A person's message to an agent: one turn, sent to the agent's chat endpoint.

The wire: `POST http://<chat endpoint>/chat` `{"message": text}` with `X-Amaze-Turn`, answered by
200 `{"reply": …}`.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from amaze_proxy.control.errors import (
    ChatMissing,
    ChatNonsense,
    ChatTimeout,
    ChatUnreachable,
)
from amaze_proxy.control.turns import Minted, Turns
from amaze_proxy.history.agents import Endpoints
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.store import Store

REPLY_MAX = 4 * 1024 * 1024
Begun = Callable[[str], Awaitable[None]]
"""Is told the id of the trace before the message is sent."""
_DENIALS_WITHIN = 1000  # a turn's records are the agent's newest ones


@dataclass(frozen=True, slots=True)
class Answered:
    """The agent's reply (any JSON value), the turn, and what was denied to the agent in it."""

    reply: object
    trace_id: str
    turn_id: str
    denials: tuple[AuditRecord, ...]


def message_client(timeout: float) -> httpx.AsyncClient:
    """The client for Messages, `timeout` in seconds. It speaks to the agent as it registered: by
    no proxy of the environment, and to nobody that it is redirected to."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(timeout, connect=10.0),
        trust_env=False,
        follow_redirects=False,
        # agents are spoken to in plain HTTP: loading the public roots would be all of its price
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


class Messages:
    """Sends messages to agents by a `message_client`."""

    def __init__(self, turns: Turns, store: Store, client: httpx.AsyncClient) -> None:
        self._turns = turns
        self._store = store
        self._client = client

    async def send(self, agent_id: str, message: str, begun: Begun | None = None) -> Answered:
        """Raises InvalidId, AgentNotFound, AgentBarred, NotApproved, ChatMissing,
        ChatUnreachable, ChatTimeout, ChatNonsense, StoreUnavailable, HistoryUnavailable."""
        record = await self._turns.may_work(agent_id)
        url = _url(agent_id, record.endpoints)
        minted = self._turns.mint(agent_id)
        if begun is not None:
            await begun(minted.turn.trace_id)
        reply = await self._ask(agent_id, url, message, minted)
        turn = minted.turn
        denials = await self._denials(agent_id, turn.turn_id)
        return Answered(reply, turn.trace_id, turn.turn_id, denials)

    async def _ask(self, agent_id: str, url: str, message: str, minted: Minted) -> object:
        trail = f"(turn {minted.turn.turn_id}, trace {minted.turn.trace_id})"
        headers = {"X-Amaze-Turn": minted.token, "Accept": "application/json"}
        try:
            async with self._client.stream(
                "POST", url, json={"message": message}, headers=headers
            ) as response:
                body = await _read(response)
        except httpx.TimeoutException:
            raise ChatTimeout(
                f"{agent_id} did not answer at {url} in time {trail}: see its own log"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise ChatUnreachable(
                f"{agent_id} could not be reached at {url} {trail}: see that it runs, and that "
                "its AMAZE_CHAT_HOST and AMAZE_CHAT_PORT can be reached from the control plane"
            ) from None
        return _reply(agent_id, response.status_code, body, trail)

    async def _denials(self, agent_id: str, turn_id: str) -> tuple[AuditRecord, ...]:
        recent = await self._store.audit.recent(agent_id, _DENIALS_WITHIN)
        mine = [record for record in recent if record.turn_id == turn_id and record.denied]
        return tuple(reversed(mine))


def _url(agent_id: str, endpoints: Endpoints) -> str:
    if not endpoints.chat_host or not endpoints.chat_port:
        raise ChatMissing(
            f"{agent_id} has registered no chat endpoint: register it with chat_host and "
            "chat_port (the SDK does so by itself)"
        )
    host = f"[{endpoints.chat_host}]" if ":" in endpoints.chat_host else endpoints.chat_host
    return f"http://{host}:{endpoints.chat_port}/chat"


async def _read(response: httpx.Response) -> bytes | None:
    """The body; None when it is larger than REPLY_MAX."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > REPLY_MAX:
            return None
    return bytes(body)


def _reply(agent_id: str, status: int, body: bytes | None, trail: str) -> object:
    if body is None:
        raise ChatNonsense(f"the reply of {agent_id} is larger than {REPLY_MAX} bytes {trail}")
    if status != 200:
        raise ChatNonsense(
            f"{agent_id} answered with HTTP status {status} {trail}: see its own log for why"
        )
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or "reply" not in answer:
        raise ChatNonsense(
            f'{agent_id} answered without a "reply" {trail}: its /chat must answer '
            '{"reply": …} as JSON'
        )
    return answer["reply"]
