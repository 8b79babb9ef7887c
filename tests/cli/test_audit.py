"""`amaze audit tail`: one line for each call, each once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.cli import audit
from amaze_proxy.cli.audit import heading, line
from amaze_proxy.policy.record import AuditRecord, to_json

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, FakeControl


def record(number: int = 1, **more: Any) -> dict[str, Any]:
    values = {
        "decision_id": f"d{number}",
        "ts": 1_700_000_000_000 + number,
        "agent_id": "agent-1",
        "kind": "http",
        "target": "files.example.com",
        "latency_ms": 12.34,
        **more,
    }
    found: dict[str, Any] = json.loads(to_json(AuditRecord(**values)))
    return found


@pytest.mark.parametrize(
    ("more", "words", "style"),
    [
        ({}, ["agent-1", "files.example.com", "allowed", "0", "0.000000", "12.3"], "green"),
        (
            {"denied": True, "denial_reason": "host-not-allowed"},
            ["agent-1", "files.example.com", "refused", "host-not-allowed", "0"],
            "red",
        ),
        ({"would_deny": "x", "alert": "budget_exceeded"}, ["shadow", "budget_exceeded"], "yellow"),
        ({"alert": "graph_violation"}, ["allowed", "graph_violation"], "yellow"),
        ({"error": "client went away"}, ["allowed", "client", "went", "away"], "yellow"),
        (
            {
                "model": "gpt-4.1-mini",
                "target": "api.openai.com",
                "tokens_in": 1200,
                "tokens_out": 34,
                "cost_microusd": 1_500_000,
            },
            ["openai/gpt-4.1-mini", "allowed", "1,234", "1.500000"],
            "green",
        ),
        ({"tool": "search"}, ["search", "allowed"], "green"),
    ],
)
def test_a_line(more: dict[str, Any], words: list[str], style: str) -> None:
    shown = line(record(**more))
    assert str(shown.style) == style
    found = shown.plain.split()
    position = -1
    for word in words:
        position = found.index(word, position + 1)


def test_the_columns_stand_under_their_heading() -> None:
    head, shown = heading().plain, line(record(denied=True, denial_reason="llm-not-allowed")).plain
    assert len(head) == len(shown)
    for name, value in (("agent", "agent-1"), ("verdict", "refused"), ("reason", "llm-not")):
        assert shown[head.index(name) :].startswith(value)


@pytest.mark.parametrize("target", ["localhost", "[::1]:8080", "api.openai.com:8443", ""])
@pytest.mark.parametrize("model", ["", "m"])
def test_whatever_the_target_is_called(target: str, model: str) -> None:
    assert line(record(target=target, model=model)).plain


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_record_has_a_line(target: str, model: str, error: str) -> None:
    assert line(record(target=target, model=model, error=error)).plain


def test_one_agent(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /agents/agent-1/audit", [record(2), record(1)])
    done = amaze("audit", "tail", "agent-1", "--no-follow", "-n", "5", "--json")
    assert [json.loads(row)["decision_id"] for row in done.stdout.splitlines()] == ["d1", "d2"]
    assert control.last.params == {"limit": "5"}


def test_an_agent_that_is_none_is_told(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /agents/nope/audit", [])
    control.answer("GET /agents/nope", {"detail": "there is no agent nope"}, 404)
    done = amaze("audit", "tail", "nope")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "amaze: there is no agent nope [HTTP 404]\n"
    assert "is no agent id" in amaze("audit", "tail", "../x").stderr


@pytest.mark.parametrize("lines", ["0", "-5", "1001", "x"])
def test_a_number_of_lines_that_is_none(amaze: Amaze, lines: str) -> None:
    assert amaze("audit", "tail", "-n", lines).exit_code == 2


def test_the_log_of_strangers_and_of_deleted_agents(amaze: Amaze, control: FakeControl) -> None:
    for name in ("_unknown", "deleted"):
        control.answer(f"GET /agents/{name}/audit", [record(1, agent_id=name)])
        assert name in amaze("audit", "tail", name, "--no-follow").stdout


def test_all_agents_and_the_callers_that_nobody_knows(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /agents", {"agents": [{"agent_id": "agent-1"}], "next": None})
    control.answer("GET /agents/agent-1/audit", [record(3), record(1)])
    control.answer("GET /agents/_unknown/audit", [record(2, agent_id="_unknown")])
    done = amaze("audit", "tail", "--no-follow", "-n", "2")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0, done.exception
    assert [row.split()[1] for row in lines[1:]] == ["_unknown", "agent-1"], "the last two"


def test_following_shows_each_call_once(
    amaze: Amaze, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.answer("GET /agents/agent-1/audit", [record(1)])
    rounds = iter([[record(1), record(2)], [record(2), record(3)]])

    def sleep(_: float) -> None:
        following = next(rounds, None)
        if following is None:
            raise KeyboardInterrupt
        control.answer("GET /agents/agent-1/audit", following)

    monkeypatch.setattr(audit.time, "sleep", sleep)
    done = amaze("audit", "tail", "agent-1", "--json")
    assert [json.loads(row)["decision_id"] for row in done.stdout.splitlines()] == [
        "d1",
        "d2",
        "d3",
    ]
