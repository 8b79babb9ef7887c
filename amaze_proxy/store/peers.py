"""The hot path's looks at whom a call goes to, and the A2A messages on their way to agents."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from amaze_proxy.store import keys
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.calls import Call
from amaze_proxy.store.connection import Argument
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.hotpath import HotPath
from amaze_proxy.store.registry import (
    LlmHost,
    McpServer,
    fields_of,
    llm_host,
    mcp_server,
    sensible,
)
from amaze_proxy.store.wire import Reply

# They are stored side by side, with colons between them.
_ID = re.compile(r"[A-Za-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True)
class Hop:
    """A message on its way to the callee. `depth` is the callee's: 1 for what a first agent
    sends. `trace_id` and `span_id` are what the callee's calls go on from."""

    decision_id: str
    callee: str
    depth: int
    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Callee:
    """An agent as it is now. `status` None: there is no such agent. `host`, `port` its A2A
    endpoint (port 0: none); `credentials` the SHA-256 in hex of all that are active, sorted;
    `policy_version` 0: no policy."""

    agent_id: str
    status: AgentStatus | None
    host: str
    port: int
    credentials: tuple[str, ...]
    policy_version: int


class Peers:
    """One function call each; what is awaited together with an admission leaves in its packet.
    All methods raise StoreUnavailable."""

    def __init__(self, hot: HotPath) -> None:
        self._hot = hot
        self._ended: dict[str, list[str]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def look(self, callee: str) -> Callee:
        """The callee; nothing is written."""
        call = Call("callee_look", _callee_keys(callee), (0,))
        return _callee(callee, await self._hot.call(call))

    async def hop(self, hop: Hop) -> Callee:
        """The callee. If it may act, the message is noted: while it is on its way (15 minutes
        at most), the callee's ambient calls have its depth and trace, and the first of them begins
        a new turn. Idempotent by decision id. At most 1,000 are kept, the newest.

        To be ended by `hop_end`, also when the message is refused after all. Raises ValueError
        for ids that are none, and a depth below 0.
        """
        return _callee(hop.callee, await self._hot.call(hop_call(hop)))

    async def hop_end(self, callee: str, decision_id: str, *, reached: bool = True) -> None:
        """The message is answered. `reached` False: it never came to the callee (refused), so it
        begins no turn."""
        await self._end(callee, (decision_id, _flag(reached)))

    def hop_ended(self, callee: str, decision_id: str, *, reached: bool) -> None:
        """`hop_end` for who does not wait: it leaves with a settlement that is begun after it,
        and those that end while others are on their way are told together. Where the store takes
        none, a hop ends by itself."""
        ended = self._ended.get(callee)
        if ended is not None:
            ended += (decision_id, _flag(reached))
            return
        self._ended[callee] = [decision_id, _flag(reached)]
        task = asyncio.get_running_loop().create_task(self._tell(callee))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, callee: str) -> None:
        try:
            while ended := self._ended[callee]:
                self._ended[callee] = []
                with suppress(StoreUnavailable):
                    await self._end(callee, ended)
        finally:
            del self._ended[callee]

    async def _end(self, callee: str, ended: Sequence[str]) -> None:
        named = (keys.turn(callee, keys.AMBIENT), *keys.hops(callee))
        await self._hot.call(Call("hop_end", named, tuple(ended)))

    async def depth(self, agent_id: str) -> int:
        """How deep the agent is in conversations now: the greatest depth of the messages that are
        on their way to it (0: there is none)."""
        reply = await self._hot.call(Call("hops_depth", keys.hops(agent_id), (0,)))
        with sensible():
            if not isinstance(reply, bytes):
                raise ValueError("not text")
            return int(reply)

    async def mcp(self, name: str, tool: str = "") -> McpServer | None:
        """The MCP server as it is registered now; of its tools, what is known of this one."""
        return mcp_server(name, await self._entry(keys.mcp(name), tool))

    async def llm(self, name: str) -> LlmHost | None:
        """The LLM host as it is registered now."""
        return llm_host(name, await self._entry(keys.llm(name)))

    async def _entry(self, key: str, tool: str = "") -> Mapping[bytes, bytes]:
        reply = await self._hot.call(Call("entry_read", (key,), fields_of(tool)))
        with sensible():
            flat = _blobs(reply)
            return dict(zip(flat[::2], flat[1::2], strict=True))


def hop_call(hop: Hop, now_ms: int = 0) -> Call:
    """`now_ms` is for tests: the server's clock otherwise."""
    if hop.depth < 0:
        raise ValueError("a depth is never negative")
    if not (_ID.fullmatch(hop.trace_id) and _ID.fullmatch(hop.span_id)):
        raise ValueError("not the id of a trace or a span")
    named = (
        *_callee_keys(hop.callee),
        keys.turn(hop.callee, keys.AMBIENT),
        *keys.hops(hop.callee),
    )
    args: tuple[Argument, ...] = (now_ms, hop.decision_id, hop.depth, hop.trace_id, hop.span_id)
    return Call("hop", named, args)


def _flag(reached: bool) -> str:
    return "1" if reached else "0"


def _callee_keys(agent_id: str) -> tuple[str, ...]:
    return (keys.agent(agent_id), keys.credentials(agent_id), keys.policy(agent_id))


def _blobs(reply: Reply) -> list[bytes]:
    if not isinstance(reply, list):
        raise ValueError("not a list")
    return [one for one in reply if isinstance(one, bytes)]


def _callee(agent_id: str, reply: Reply) -> Callee:
    with sensible():
        status, host, port, version, *credentials = (one.decode() for one in _blobs(reply))
        return Callee(
            agent_id=agent_id,
            status=AgentStatus(status) if status else None,
            host=host,
            port=int(port),
            credentials=tuple(sorted(credentials)),
            policy_version=int(version),
        )
