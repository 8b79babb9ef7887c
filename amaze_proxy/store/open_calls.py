"""Calls that are admitted and not settled yet, and which workers have shown that they live.

The store keeps `open:{agent}`: decision id -> what it reserved and what the worker told of the call
(`facts_of`). Whoever finds that the worker is gone for good writes the call's record in its place:
`abandon` takes the entry and writes the record in one step, and what is settled has no entry.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import cast

from amaze_proxy.policy.record import GENESIS, AuditRecord, seal_and_store
from amaze_proxy.policy.turn import ambient_trace
from amaze_proxy.store import keys, library
from amaze_proxy.store.client import Client, translate
from amaze_proxy.store.connection import encode
from amaze_proxy.store.series import point_args, points

ABANDONED = "abandoned"
"""The beginning of the error of a record that was written for a worker which died."""

_ERROR = f"{ABANDONED}: the worker that had this call died before the call ended"
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(slots=True)
class Facts:
    """What a worker tells of a call when it asks for its admission, as in `AuditRecord`; of an
    ambient call, the store knows turn and trace. Made in every call, hence not frozen."""

    ts: int = 0
    span_id: str = ""
    caller: str = ""
    kind: str = "unknown"
    target: str = ""
    provider: str = ""
    tool: str = ""
    model: str = ""
    method: str = ""
    path: str = ""
    turn_id: str = ""
    trace_id: str = ""
    parent_span: str = ""


_NAMES = tuple(one.name for one in fields(Facts))
_TYPES = [type(one.default) for one in fields(Facts)]
_values = attrgetter(*_NAMES)


def facts_of(facts: Facts) -> str:
    """As the store keeps it."""
    return _encode(_values(facts))


@dataclass(frozen=True, slots=True)
class OpenCall:
    """An entry: which worker's (`instance`), and the record that it gets if nobody settles it."""

    decision_id: str
    instance: str
    record: AuditRecord


def read_open(agent_id: str, decision_id: str, text: str) -> OpenCall:
    """The entry as `admit` wrote it. Its record is charged what was reserved. Raises ValueError."""
    words = text.split(" ", 10)
    if len(words) != 11:
        raise ValueError("not an open call")
    number, step, session, hop_trace, hop_span, instance = words[3:9]
    facts = _facts(words[10])
    turn_id, trace_id, parent = facts.turn_id, facts.trace_id, facts.parent_span
    if not turn_id:
        turn_id = f"{keys.AMBIENT}{keys.AMBIENT_MARK}{number}" if number else keys.AMBIENT
        trace_id = hop_trace or ambient_trace(agent_id, session, turn_id)
        parent = hop_span
    record = AuditRecord(
        decision_id=decision_id,
        ts=facts.ts,
        agent_id=agent_id,
        kind=facts.kind,
        trace_id=trace_id,
        span_id=facts.span_id,
        parent_span_id=parent,
        turn_id=turn_id,
        session_id=session,
        caller=facts.caller,
        target=facts.target,
        provider=facts.provider,
        tool=facts.tool,
        model=facts.model,
        method=facts.method,
        path=facts.path,
        tokens_in=int(words[0]),
        tokens_out=int(words[1]),
        cost_microusd=int(words[2]),
        estimated=True,
        policy_version=int(words[9]),
        graph_step=step,
        error=_ERROR,
    )
    return OpenCall(decision_id, instance, record)


def _facts(text: str) -> Facts:
    if not text:
        return Facts()
    found = json.loads(text)
    if not isinstance(found, list) or [type(one) for one in found] != _TYPES:
        raise ValueError("not an open call")
    return Facts(*found)


class Writer:
    """A chain of abandoned calls of one agent, which nobody else writes."""

    def __init__(self, instance: str, agent_id: str) -> None:
        self._writer = f"{instance}:{agent_id}"
        self._seq, self._hash = 0, GENESIS

    def seal(self, record: AuditRecord) -> tuple[AuditRecord, str]:
        """The record as the next of the chain, and its stored form."""
        return seal_and_store(record, self._writer, self._seq + 1, self._hash)

    def wrote(self, record: AuditRecord) -> None:
        """It is in the stream."""
        self._seq, self._hash = record.seq, record.hash


class OpenCalls:
    """All methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def beat(self, instance: str, text: str) -> None:
        """This worker lives; `text` differs from the one before."""
        with translate():
            await cast(Awaitable[int], self._client.hset(keys.PROXIES, instance, text))

    async def beats(self) -> dict[str, str]:
        """The last sign of life of each worker that is not forgotten."""
        with translate():
            found = await cast(Awaitable[Mapping[bytes, bytes]], self._client.hgetall(keys.PROXIES))
        return {name.decode(): text.decode("utf-8", "replace") for name, text in found.items()}

    async def watch_too(self, instance: str) -> None:
        """Somebody's calls are open who is not among those that showed that they live."""
        with translate():
            await cast(Awaitable[int], self._client.hsetnx(keys.PROXIES, instance, ""))

    async def forget(self, instance: str) -> None:
        """It is dead, and has no open calls."""
        with translate():
            await cast(Awaitable[int], self._client.hdel(keys.PROXIES, instance))

    async def of(self, agent_id: str) -> tuple[list[OpenCall], list[str]]:
        """The open calls of an agent, and the decisions of entries that make no sense."""
        with translate():
            found = await cast(
                Awaitable[Mapping[bytes, bytes]], self._client.hgetall(keys.open_calls(agent_id))
            )
        calls, senseless = [], []
        for name, value in found.items():
            decision_id = name.decode("utf-8", "replace")
            try:
                calls.append(read_open(agent_id, decision_id, value.decode("utf-8", "replace")))
            except ValueError:
                senseless.append(decision_id)
        return calls, senseless

    async def abandon(self, call: OpenCall, writer: Writer) -> bool:
        """Write its record, with the entry removed; False: it was settled meanwhile."""
        sealed, stored = writer.seal(call.record)
        added = tuple(points(sealed))
        agent = sealed.agent_id
        named = (*_named(agent, call.decision_id), *(keys.series(agent, one) for one, _ in added))
        text = encode(stored)  # a lone surrogate is hashed as the bytes that it is
        args = (call.decision_id, sealed.writer, sealed.seq, sealed.hash, text)
        done = await library.call(self._client, "abandon", named, *args, *point_args(sealed, added))
        if done:
            writer.wrote(sealed)
        return bool(done)

    async def drop(self, agent_id: str, decision_id: str) -> None:
        """Remove the entry of a call that has its record."""
        named = _named(agent_id, decision_id)
        await library.call(self._client, "abandon", named, decision_id, "", 0, "", "")


def _named(agent_id: str, decision_id: str) -> tuple[str, ...]:
    return (
        keys.audit(agent_id),
        keys.chain(agent_id),
        keys.reservation(agent_id, decision_id),
        keys.open_calls(agent_id),
    )
