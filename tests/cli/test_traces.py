"""`amaze traces` and `amaze stats`: what is asked, and what is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, Asked, FakeControl

SUMS = {"calls": 3, "denied": 1, "tokens_in": 10, "tokens_out": 5, "cost_microusd": 1_500_000}


def trace(trace_id: str) -> dict[str, Any]:
    times = {"started_ms": 1_700_000_000_000, "ended_ms": 1_700_000_001_500}
    return {"trace_id": trace_id, "status": "denied", "agents": ["a", "b"], **times, **SUMS}


def test_traces_are_asked_for_with_the_filters(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /traces", {"traces": [trace("t1")], "next": None})
    done = amaze("traces", "list", "--agent", "a", "--status", "denied", "--since", "5")
    assert done.exit_code == 0, done.exception
    assert control.last.params == {"agent": "a", "status": "denied", "since": "5", "limit": "20"}
    heading, row = done.stdout.splitlines()
    assert heading.split()[:3] == ["started", "trace", "id"] or "trace_id" in heading
    assert row.split()[2:] == ["t1", "denied", "a,b", "3", "1", "15", "1.500000", "1500"]


def test_pages_are_read_until_there_are_enough(amaze: Amaze, control: FakeControl) -> None:
    def page(asked: Asked) -> dict[str, Any]:
        number = asked.params.get("cursor", "0")
        return {"traces": [trace(f"t{number}")], "next": str(int(number) + 1)}

    control.answer("GET /traces", page)
    done = amaze("traces", "list", "-n", "3", "--json")
    assert [one["trace_id"] for one in json.loads(done.stdout)] == ["t0", "t1", "t2"]
    assert [one.params["limit"] for one in control.asked] == ["3", "2", "1"]


def step(number: int, **more: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("denial_reason", "would_deny", "alert", "error"), "")
    return {
        "number": number,
        "depth": number - 1,
        "from": "agent:a",
        "to": "llm:openai",
        "label": "gpt",
        "verdict": "allowed",
        "status": 200,
        "latency_ms": 12.34,
        "tokens_in": 1,
        "tokens_out": 2,
        "policy_version": 7,
        **texts,
        **more,
    }


def test_a_trace_is_shown_step_by_step(amaze: Amaze, control: FakeControl) -> None:
    steps = [step(1), step(2, verdict="denied", denial_reason="tool-not-allowed", status=403)]
    control.answer("GET /traces/t1", {"steps": steps, "summary": {"whole": False}})
    done = amaze("traces", "show", "t1")
    rows = [row.split() for row in done.stdout.splitlines()[1:]]
    assert rows[0] == ["1", "agent:a", "llm:openai", "gpt", "allowed", "200", "12.3", "3", "7"]
    assert rows[1][4:7] == ["denied", "tool-not-allowed", "403"]
    assert "the first 2 steps" in done.stderr
    assert json.loads(amaze("traces", "show", "t1", "--json").stdout)["steps"] == steps


@pytest.mark.parametrize("bad", ["../x", "", "a b", "é"])
def test_a_trace_id_that_is_none(amaze: Amaze, control: FakeControl, bad: str) -> None:
    done = amaze("traces", "show", bad)
    assert done.exit_code == 1
    assert "is no trace id" in done.stderr
    assert control.asked == []


@pytest.mark.parametrize(
    ("words", "path"), [((), "/stats"), (("agent-1",), "/agents/agent-1/stats")]
)
def test_numbers(amaze: Amaze, control: FakeControl, words: tuple[str, ...], path: str) -> None:
    latencies = {"latency_p50_ms": 12.34, "latency_p95_ms": None}
    bucket = {"ts": 1_700_000_000_000, **SUMS, **latencies}
    quiet = {**bucket, "calls": 0}
    names = {f"by_{per}": [] for per in ("model", "peer", "reason")}
    by_tool = [{"name": "s/x", **SUMS}]
    document = {"buckets": [quiet, bucket], "total": bucket, "by_tool": by_tool, **names}
    control.answer(f"GET {path}", document)
    done = amaze("stats", *words, "--window", "7d")
    assert control.last.params == {"window": "7d"}
    rows = [row.split() for row in done.stdout.splitlines()]
    assert len(rows) == 6
    assert rows[2] == ["total", "3", "1", "15", "1.500000", "12.3"]
    assert rows[5] == ["tool", "s/x", "3", "1", "15", "1.500000"]
    assert json.loads(amaze("stats", *words, "--json").stdout) == document


def test_numbers_without_names_are_one_table(amaze: Amaze, control: FakeControl) -> None:
    latencies = {"latency_p50_ms": None, "latency_p95_ms": None}
    total = {**dict.fromkeys(SUMS, 0), **latencies}
    names = {f"by_{per}": [] for per in ("tool", "model", "peer", "reason")}
    control.answer("GET /stats", {"buckets": [], "total": total, **names})
    assert len(amaze("stats").stdout.splitlines()) == 2


def test_an_agent_that_is_none(amaze: Amaze, control: FakeControl) -> None:
    done = amaze("stats", "../x")
    assert done.exit_code == 1
    assert "is no agent id" in done.stderr
    assert control.asked == []
