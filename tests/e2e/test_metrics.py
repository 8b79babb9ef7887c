"""Prometheus on a platform of two workers: whichever answers, the numbers are those of both."""

from __future__ import annotations

import os
import signal

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.platform import OPENAI, Agent, Platform, chat, until

CALLS = 12


def scraped(port: int) -> dict[tuple[str, ...], float]:
    """Name and label values of each sample, of a connection of its own."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30)
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("amaze_"), *dict(sorted(sample.labels.items())).values()): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def growth(before: dict[tuple[str, ...], float], after: dict[tuple[str, ...], float], *key: str):
    return after.get(key, 0) - before.get(key, 0)


def test_the_sum_over_the_workers_is_what_was_called(platform: Platform, agent: Agent) -> None:
    before = scraped(platform.proxy_port)
    for _ in range(CALLS):
        with platform.client(agent) as client:  # each on a connection of its own: both workers
            assert client.post(OPENAI, json=chat()).status_code == 200
    with platform.client(agent) as client:
        assert client.get("https://forbidden.example/").status_code == 403
        stranger = f"http://{agent.agent_id}:wrong@127.0.0.1:{platform.proxy_port}"
        answer = httpx.get("http://x.example/", proxy=stranger, trust_env=False, timeout=60)
        assert answer.headers["x-amaze-reason"] == "invalid-bearer"
        for _ in range(4):
            after = scraped(platform.proxy_port)
            calls = "proxy_calls_total"
            assert growth(before, after, calls, "allow", "llm", "") == CALLS
            assert growth(before, after, calls, "deny", "http", "host-not-allowed") == 1
            denied = [k for k in after if k[0] == calls and k[3:] == ("invalid-bearer",)]
            assert sum(growth(before, after, *key) for key in denied) == 1
            duration = "proxy_call_duration_seconds"
            assert growth(before, after, f"{duration}_count", "llm") == CALLS
            assert growth(before, after, f"{duration}_sum", "llm") > 0
            first = "proxy_time_to_first_byte_seconds_count"
            assert growth(before, after, first, "llm") == CALLS
        records = platform.audited(agent, CALLS + 1)
        for direction, field in (("input", "tokens_in"), ("output", "tokens_out")):
            spent = growth(before, after, "proxy_tokens_total", direction, "openai")
            assert spent == sum(record[field] for record in records) > 0
        dollars = sum(record["cost_microusd"] for record in records) / 1e6
        assert abs(growth(before, after, "proxy_cost_usd_total", "openai") - dollars) < 1e-9
        until(lambda: scraped(platform.proxy_port)["proxy_connections",] >= 1, "a connection")


def test_no_agent_is_named_and_none_reaches_them_through_the_proxy(
    platform: Platform, agent: Agent
) -> None:
    with platform.client(agent) as client:
        client.post(OPENAI, json=chat())
        for port in (platform.proxy_port, platform.control_port):
            answer = client.get(f"http://127.0.0.1:{port}/metrics")
            assert (answer.status_code, "amaze_build_info" in answer.text) == (403, False)
    for port in (platform.proxy_port, platform.control_port):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=60).text
        assert "amaze_build_info" in text
        assert agent.agent_id not in text
        assert "gpt-4.1-mini" not in text


def test_control_tells_of_the_archive(platform: Platform, agent: Agent) -> None:
    before = scraped(platform.control_port)
    with platform.client(agent) as client:
        client.post(OPENAI, json=chat())

    def archived() -> bool:
        after = scraped(platform.control_port)
        return growth(before, after, "archive_records_total") >= 1

    until(archived, "the record to be archived")
    after = scraped(platform.control_port)
    assert after["agents", "approved"] >= 1
    assert after["control_part_up", "redis"] == after["control_part_up", "sql"] == 1
    assert growth(before, after, "control_http_requests_total", "GET", "/metrics", "200") >= 1


def test_a_worker_that_is_killed_takes_no_number_with_it(own_platform) -> None:
    platform = own_platform()
    agent = platform.agent()

    def call() -> None:
        with platform.client(agent) as client:
            assert client.post(OPENAI, json=chat()).status_code == 200

    for _ in range(CALLS):
        call()
    calls = ("proxy_calls_total", "allow", "llm", "")
    assert scraped(platform.proxy_port)[calls] == CALLS
    # of the master and its workers, those that are workers
    for pid in platform.pids("amaze_proxy.proxy"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: scraped(platform.proxy_port)["proxy_worker_starts_total",] == 4, "new workers")
    assert scraped(platform.proxy_port)[calls] == CALLS
    call()
    assert scraped(platform.proxy_port)[calls] == CALLS + 1
