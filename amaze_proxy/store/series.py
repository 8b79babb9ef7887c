"""The numbers of an agent by minute in RedisTimeSeries, where the server has that module.

`settle` adds to them in the same call that takes the record, and only when it takes it: a replay
from the journal counts nothing twice. They are sums of minutes (by when the call began) that are
kept as long as the minutes in SQL and count what those count; without the module, SQL is where the
numbers are. The mean latency of a minute is `llm_latency_ms` by `llm_calls`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError, ResponseError

from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store import keys
from amaze_proxy.store.client import Client, translate

MINUTE_MS = 60_000
KEPT_MS = 2 * 24 * 60 * MINUTE_MS
"""How long a minute is kept."""


class Metric(StrEnum):
    """What is summed: calls with their refusals, but of the latency only calls that passed, and
    whose latency is known (an abandoned call's is 0)."""

    LLM_TOKENS = "llm_tokens"
    LLM_CALLS = "llm_calls"
    LLM_LATENCY_MS = "llm_latency_ms"
    TOOL_CALLS = "tool_calls"
    A2A_CALLS = "a2a_calls"
    DENIALS = "denials"


@dataclass(frozen=True, slots=True)
class Sum:
    """Of the time that begins at `start_ms`."""

    start_ms: int
    value: float


def points(record: AuditRecord) -> Iterator[tuple[Metric, int]]:
    """What a record adds. Nothing for those of strangers, and of what people change."""
    if record.agent_id.startswith("_") or record.kind == "admin":
        return
    if record.kind == "llm":
        if tokens := record.tokens_in + record.tokens_out:
            yield Metric.LLM_TOKENS, tokens
        if not record.denied and record.latency_ms > 0:
            yield Metric.LLM_CALLS, 1
            yield Metric.LLM_LATENCY_MS, round(record.latency_ms)
    elif record.kind == "a2a":
        yield Metric.A2A_CALLS, 1
    if record.tool:
        yield Metric.TOOL_CALLS, 1
    if record.denied:
        yield Metric.DENIALS, 1


def point_args(record: AuditRecord, added: Sequence[tuple[Metric, int]]) -> list[int | str]:
    """What `series_add` of scripts/series.lua is told of the points of a record."""
    if not added:
        return []
    args: list[int | str] = [KEPT_MS, record.ts // MINUTE_MS * MINUTE_MS, record.agent_id]
    for metric, value in added:
        args += [metric.value, value]
    return args


class Series:
    """Reads them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def range(
        self,
        agent_id: str,
        metric: Metric,
        since_ms: int,
        until_ms: int,
        bucket_ms: int = MINUTE_MS,
    ) -> list[Sum] | None:
        """The sums of buckets from `since_ms` to before `until_ms`, those with something in them;
        None: the server has no time series. Raises StoreUnavailable."""
        key = keys.series(agent_id, metric)
        aggregation = ("AGGREGATION", "sum", bucket_ms)
        with translate():
            try:
                reply = await self._ask(key, since_ms, until_ms - 1, *aggregation)
            except ResponseError as error:
                if "does not exist" in str(error):  # nothing was added yet
                    return []
                if "unknown command" in str(error).lower():
                    return None
                raise
        return [Sum(int(start), float(value)) for start, value in reply]

    async def _ask(self, key: str, *args: str | int) -> list[tuple[int, bytes]]:
        target = {}
        if isinstance(self._client, RedisCluster):
            # redis-py looks the keys of a command up in the server's list, where a node without
            # the module has none.
            await self._client.initialize()
            target = {"target_nodes": self._client.get_node_from_key(key)}
        reply = await self._client.execute_command("TS.RANGE", key, *args, **target)
        if not isinstance(reply, list):
            raise RedisError("the store's answer makes no sense")
        return reply
