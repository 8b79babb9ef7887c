"""Control's metrics: of its requests, its parts; for whom; and an agent's live numbers."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from amaze_proxy.control.api import routes
from amaze_proxy.control.meters import ControlMeters, Measured
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.series import MINUTE_MS, Metric, Sum
from amaze_proxy.store.store import open_store
from tests.control.conftest import PATIENCE_S
from tests.store.timeseries import ValkeyWithSeries


async def scraped(control) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample."""
    answer = await control.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("amaze_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_their_routes_whatever_they_name(control) -> None:
    for agent_id in ("a", "b", "c"):
        await control.ask("GET", f"/agents/{agent_id}")
    await control.client.get("/agents/a")
    for path in ("/nothing", "/agents/a/b/c", "/%00"):
        await control.client.get(path)
    await control.client.request("BREW", "/agents/a")
    found = {
        key[1:]: value
        for key, value in (await scraped(control)).items()
        if key[0] == "control_http_requests_total"
    }
    assert found == {
        ("GET", "/agents/{agent_id}", "404"): 3,
        ("GET", "/agents/{agent_id}", "401"): 1,
        ("other", "unmatched", "404"): 3,
        ("other", "unmatched", "405"): 1,
    }
    templates = {entry.path for entry in routes.TABLE} | {"unmatched"}
    assert {key[1] for key in found} <= templates
    again = await scraped(control)
    assert again["control_http_requests_total", "GET", "/metrics", "200"] == 1
    assert again["control_http_request_duration_seconds_count", "GET", "/agents/{agent_id}"] == 4


async def test_a_request_that_fails_is_counted() -> None:
    meters = ControlMeters("1")

    async def broken(scope, receive, send) -> None:
        raise RuntimeError

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Measured(broken, meters)), base_url="http://control"
    ) as client:
        with pytest.raises(RuntimeError):
            await client.get("/x")
    assert meters._requests.labels("other", "unmatched", "500")._value.get() == 1


async def test_agents_parts_and_the_archive(control, until) -> None:
    await control.create("a")
    await control.register("b")

    async def archived() -> bool:
        return (await scraped(control))["archive_records_total",] >= 2

    await until(archived)
    found = await scraped(control)
    assert (found["agents", "approved"], found["agents", "pending"]) == (1, 1)
    assert (found["control_part_up", "redis"], found["control_part_up", "sql"]) == (1, 1)
    assert found["archive_lag_seconds",] >= 0
    assert found["checkpoints_total",] >= 0
    for name in ("evidence_flaws_total", "control_store_errors_total", "control_journal_bytes"):
        assert found[name,] == 0
    assert found["abandoned_calls_total",] == 0
    assert found["control_loop_failures_total", "archiver"] == 0
    assert ("build_info", "") in found
    assert not [key for key in found if {"a", "b"} & set(key[1:])], "no agent is named"


async def test_numbers_are_there_while_the_parts_are_not(control, monkeypatch) -> None:
    async def away(*_: object) -> None:
        raise HistoryUnavailable("down")

    async def gone(*_: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(type(control.history), "ping", away)
    monkeypatch.setattr(type(control.history.agents), "count", away)
    monkeypatch.setattr(type(control.store), "ping", gone)
    found = await scraped(control)
    assert (found["control_part_up", "redis"], found["control_part_up", "sql"]) == (0, 0)
    assert not [key for key in found if key[0] == "agents"]


async def test_a_loop_that_fails_is_counted(control, until, monkeypatch) -> None:
    async def away(*_: object) -> None:
        raise HistoryUnavailable("down")

    monkeypatch.setattr(type(control.history.archive), "untold", away)
    await control.create("a")

    async def failing() -> bool:
        return (await scraped(control))["control_loop_failures_total", "archiver"] > 0

    await until(failing)


async def test_other_machines_need_the_key(control) -> None:
    transport = httpx.ASGITransport(control.app, client=("10.0.0.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        answer = await client.get("/metrics")
    assert (answer.status_code, "amaze_" in answer.text) == (403, False)


async def test_live_numbers_where_the_store_has_them(control, monkeypatch) -> None:
    await control.create("own")
    assert (await control.ask("GET", "/agents/own/stats")).json()["live"] is None
    start = control.clock.now // MINUTE_MS * MINUTE_MS
    asked = []

    async def range_(_: object, agent_id, metric, since_ms, until_ms) -> list[Sum]:
        asked.append((agent_id, until_ms - since_ms, since_ms <= start < until_ms))
        return [Sum(start, 15)] if metric is Metric.LLM_TOKENS else []

    monkeypatch.setattr(type(control.store.series), "range", range_)
    live = (await control.ask("GET", "/agents/own/stats")).json()["live"]
    assert set(live) == set(Metric)
    assert live["llm_tokens"] == [{"ts": start, "value": 15}]
    assert live["denials"] == []
    assert set(asked) == {("own", 60 * MINUTE_MS, True)}

    async def gone(*_: object) -> None:
        raise StoreUnavailable("down")

    monkeypatch.setattr(type(control.store.series), "range", gone)
    answer = await control.ask("GET", "/agents/own/stats")
    assert (answer.status_code, answer.json()["live"]) == (200, None)


async def test_live_numbers_of_a_real_server(control, tmp_path, monkeypatch) -> None:
    valkey = ValkeyWithSeries(tmp_path / "series")
    valkey.start()
    store = await open_store(valkey.url, timeout=PATIENCE_S)
    try:
        record = AuditRecord("d", control.clock.now, "own", "llm", tokens_in=4, latency_ms=7.0)
        await store.gate.settle(Settlement("d", "own", record))
        monkeypatch.setattr(control.store.series, "_client", store.client)
        await control.create("own")
        live = (await control.ask("GET", "/agents/own/stats")).json()["live"]
        totals = {name: sum(one["value"] for one in found) for name, found in live.items() if found}
        assert totals == {"llm_tokens": 4, "llm_calls": 1, "llm_latency_ms": 7}
    finally:
        await store.close()
        valkey.stop()
