"""The proxy's metrics: what a call adds, the sum over workers, who may read it."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from amaze_proxy import meters
from amaze_proxy.meters import Reading, WorkerMeters
from amaze_proxy.pipeline.line import Meters
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.scrapers import Scrapers

P = "amaze_proxy_"


def record(**more: Any) -> AuditRecord:
    return AuditRecord(**{"decision_id": "d", "ts": 1, "agent_id": "alice", "kind": "llm", **more})


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for workers; this process is none any more afterwards."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    where = meters.directory(tmp_path)
    meters.clean(where)
    yield where
    values.close_all_multiprocess_files()


@pytest.fixture
def worker(where: Path) -> WorkerMeters:
    return meters.open_meters(where, "0")


def scraped(where: Path) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample that is not 0."""
    text = meters.exposition(where, "1.2.3").decode()
    return {
        (sample.name.removeprefix(P), *dict(sorted(sample.labels.items())).values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value
    }


def counts(where: Path, *names: str) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in scraped(where).items() if key[0] in names}


@pytest.mark.parametrize(
    ("told", "decision", "reason"),
    [
        ({}, "allow", ""),
        ({"kind": "mcp", "denied": True, "denial_reason": "not-allowed"}, "deny", "not-allowed"),
        ({"would_deny": "llm-not-allowed"}, "shadow", "llm-not-allowed"),
        ({"denied": True, "denial_reason": "made-up"}, "deny", "other"),
        ({"error": "upstream-timeout: nothing for 60 s"}, "allow", "upstream-timeout"),
        ({"error": "client went away"}, "allow", "other"),
    ],
)
def test_a_call_is_counted_with_a_known_reason(worker, where, told, decision, reason) -> None:
    worker.ended(record(**told))
    key = ("calls_total", decision, told.get("kind", "llm"), reason)
    assert counts(where, "calls_total") == {key: 1}


def test_times_are_seconds_and_those_of_calls_that_passed(worker, where) -> None:
    worker.ended(record(latency_ms=1500.0, ttft_ms=200.0))
    worker.ended(record(latency_ms=3.0))  # no first byte
    worker.ended(record(latency_ms=9.0, ttft_ms=9.0, denied=True, denial_reason="not-allowed"))
    found = scraped(where)
    assert found["call_duration_seconds_count", "llm"] == 2
    assert found["call_duration_seconds_sum", "llm"] == pytest.approx(1.503)
    assert found["call_duration_seconds_bucket", "llm", "0.005"] == 1
    assert found["time_to_first_byte_seconds_count", "llm"] == 1
    assert found["time_to_first_byte_seconds_sum", "llm"] == pytest.approx(0.2)


def test_tokens_and_money_by_provider(worker, where) -> None:
    for provider in ("openai", "openai", "anthropic"):
        worker.ended(record(provider=provider, tokens_in=10, tokens_out=5, cost_microusd=250_000))
    assert counts(where, "tokens_total", "cost_usd_total") == {
        ("tokens_total", "input", "openai"): 20,
        ("tokens_total", "output", "openai"): 10,
        ("tokens_total", "input", "anthropic"): 10,
        ("tokens_total", "output", "anthropic"): 5,
        ("cost_usd_total", "openai"): 0.5,
        ("cost_usd_total", "anthropic"): 0.25,
    }


def test_labels_stay_few_whatever_calls_name(worker, where) -> None:
    for number in range(200):
        name = f'{number}\n"x\\'
        worker.ended(record(provider=name, tool=name, model=name, target=name, tokens_in=1))
    found = counts(where, "tokens_total")
    assert len({provider for _, _, provider in found}) == 65
    assert found["tokens_total", "input", "other"] == 200 - 64
    assert len(scraped(where)) < 150


def test_alerts(worker, where) -> None:
    worker.ended(record(alert="budget_exceeded,graph_violation"))
    assert counts(where, "alerts_total") == {
        ("alerts_total", "budget_exceeded"): 1,
        ("alerts_total", "graph_violation"): 1,
    }


def test_what_the_parts_say_of_themselves(worker, where) -> None:
    worker.read(Reading(3, 5, 100, 1, 7, 2, 4))
    worker.read(Reading(2, 4, 0, 1, 9, 3, 4))
    names = ("calls_in_flight", "connections", "journal_bytes", "store_errors_total")
    more = ("spans_exported_total", "spans_dropped_total", "unrecorded_calls_total")
    assert counts(where, *names, *more) == {
        ("calls_in_flight",): 2,
        ("connections",): 4,
        ("store_errors_total",): 1,
        ("spans_exported_total",): 9,
        ("spans_dropped_total",): 3,
        ("unrecorded_calls_total",): 4,
    }


async def test_they_are_asked_again_and_again(worker, where) -> None:
    class Enough(Exception): ...

    answers = iter((Reading(connections=1), Reading(connections=2, store_errors_total=1)))

    def ask() -> Reading:
        found = next(answers, None)
        if found is None:
            raise Enough
        return found

    with pytest.raises(Enough):
        await worker.watch(ask, every=0)
    assert counts(where, "connections", "store_errors_total") == {
        ("connections",): 2,
        ("store_errors_total",): 1,
    }


def _work(where: Path, place: str, calls: int) -> None:
    worker = meters.open_meters(where, place)
    worker.read(Reading(calls_in_flight=calls))
    for _ in range(calls):
        worker.ended(record(latency_ms=10))


def _run(*works: tuple[Path, str, int]) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_work, args=work) for work in works]
    for each in processes:
        each.start()
    for each in processes:
        each.join(60)
        assert each.exitcode == 0


def test_the_sum_of_all_workers_goes_on_when_one_is_started_again(where) -> None:
    _run((where, "0", 3), (where, "1", 4))
    assert scraped(where)["calls_total", "allow", "llm", ""] == 7
    assert scraped(where)["calls_in_flight",] == 7
    _run((where, "1", 2))
    found = scraped(where)
    assert found["calls_total", "allow", "llm", ""] == 9
    assert found["call_duration_seconds_count", "llm"] == 9
    assert found["calls_in_flight",] == 5, "those of the worker that is gone are not in flight"
    assert found["worker_starts_total",] == 3
    assert len(list(where.iterdir())) == 6
    meters.clean(where)
    assert set(scraped(where)) == {("amaze_build_info", "1.2.3")}


def test_disk_space_is_taken_before_it_is_needed(worker, where) -> None:
    for path in where.iterdir():
        assert path.stat().st_blocks * 512 >= path.stat().st_size == 512 * 1024


def test_names_are_of_the_usual_form_and_explained(worker, where) -> None:
    worker.ended(record(tokens_in=1, cost_microusd=1, alert="budget_exceeded", ttft_ms=1.0))
    families = list(text_string_to_metric_families(meters.exposition(where, "1").decode()))
    assert len(families) > 12
    for family in families:
        assert re.fullmatch(r"amaze_[a-z]+(_[a-z]+)*", family.name)
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}


def test_the_line_counts_nothing_unless_it_is_told_to() -> None:
    before = record()
    Meters().ended(before)
    assert before == record()


@pytest.mark.parametrize(
    ("client", "authorization", "key", "status"),
    [
        ("127.0.0.1", "", "", 200),
        ("127.0.0.1", "Bearer wrong", "secret", 200),
        ("::1", "", "", 200),
        ("::ffff:127.0.0.1", "", "", 200),
        ("10.0.0.7", "", "", 403),
        ("::ffff:10.0.0.7", "", "", 403),
        ("10.0.0.7", "Bearer ", "", 403),
        ("10.0.0.7", "", "secret", 403),
        ("10.0.0.7", "Bearer secret2", "secret", 403),
        ("10.0.0.7", "Basic secret", "secret", 403),
        ("10.0.0.7", "Bearer s\u00e9cret", "secret", 403),
        ("10.0.0.7", "Bearer secret", "secret", 200),
        ("a.name", "", "", 403),
    ],
)
async def test_who_may_read(where, client, authorization, key, status) -> None:
    show = meters.endpoint(where, "1.2.3", Scrapers(key))
    app = Starlette(routes=[Route("/metrics", show)])
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as asked:
        headers = [(b"authorization", authorization.encode("latin-1"))]
        answer = await asked.get("/metrics", headers=headers)
    assert answer.status_code == status
    assert ("amaze_build_info" in answer.text) is (status == 200)
    if status == 200:
        assert answer.headers["content-type"].startswith("text/plain; version=")
