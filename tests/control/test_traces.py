"""The API of traces, alerts and numbers: what is asked, who sees what."""

from __future__ import annotations

import pytest

from amaze_proxy.history.archive import StreamRecord
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal

NOW = 1_900_000_000_000
DAY = 86_400_000


@pytest.fixture
async def credentials(control):
    """Agents a and b, a's call of b in one trace, and a refused call of b in another."""
    held = {agent_id: await control.create(agent_id) for agent_id in "ab"}
    refused = {"denied": True, "denial_reason": "llm-not-allowed", "status": 403}
    calls = {
        "a": [{"kind": "a2a", "trace_id": "t1", "target": "b", "input": "hello"}],
        "b": [
            {"kind": "llm", "trace_id": "t1", "model": "gpt", "tokens_in": 5},
            {"kind": "llm", "trace_id": "t2", **refused},
        ],
    }
    for agent_id, made in calls.items():
        before, records = GENESIS, []
        for seq, more in enumerate(made, 1):
            ts = NOW - 60_000 * (10 - seq)
            draft = AuditRecord(f"{agent_id}{seq}", ts, agent_id, turn_id="u", **more)
            record = seal(draft, f"w:{agent_id}", seq, before)
            before = record.hash
            records.append(StreamRecord(f"{ts}-0", record))
        await control.history.archive.append(agent_id, records)
    return held


async def test_traces_page_by_page(control, credentials) -> None:
    first = (await control.ask("GET", "/traces", params={"limit": "1"})).json()
    assert [one["trace_id"] for one in first["traces"]] == ["t2"]
    assert first["traces"][0]["status"] == "denied"
    params = {"limit": "1", "cursor": first["next"]}
    second = (await control.ask("GET", "/traces", params=params)).json()
    assert [(one["trace_id"], one["agents"]) for one in second["traces"]] == [("t1", ["a", "b"])]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"agent": "a"}, ["t1"]),
        ({"status": "denied"}, ["t2"]),
        ({"status": "403"}, ["t2"]),
        ({"reason": "llm-not-allowed"}, ["t2"]),
        ({"kind": "a2a"}, ["t1"]),
        ({"text": "HELLO"}, ["t1"]),
        ({"model": "gpt", "since": str(NOW - 3_600_000)}, ["t1"]),
        ({"until": "5"}, []),
    ],
)
async def test_filters(control, credentials, params, found) -> None:
    answer = await control.ask("GET", "/traces", params=params)
    assert [one["trace_id"] for one in answer.json()["traces"]] == found


async def test_a_trace_has_its_steps(control, credentials) -> None:
    found = (await control.ask("GET", "/traces/t1")).json()
    assert found["trace_id"] == "t1"
    assert found["summary"]["calls"] == 2
    assert [(one["from"], one["to"], one["decision_id"]) for one in found["steps"]] == [
        ("agent:a", "agent:b", "a1"),
        ("agent:b", "llm:unknown", "b1"),
    ]
    assert found["steps"][0]["input"] == "hello"
    assert {one["from"] for one in found["edges"]} == {"agent:a", "agent:b"}
    assert found["violations"] == []


async def test_an_agent_sees_its_own_alone(control, credentials) -> None:
    as_a = {"X-Amaze-Bearer": credentials["a"]}
    get = control.client.get
    listed = (await get("/traces", headers=as_a)).json()["traces"]
    assert [(one["trace_id"], one["agents"], one["calls"]) for one in listed] == [("t1", ["a"], 1)]
    shown = (await get("/traces/t1", headers=as_a)).json()
    assert [one["decision_id"] for one in shown["steps"]] == ["a1"]
    hidden = await get("/traces/t2", headers=as_a)
    assert (hidden.status_code, hidden.json()["code"]) == (404, "trace-not-found")
    assert (await get("/alerts", headers=as_a)).json() == {
        "reasons": [],
        "alerts": [],
        "next": None,
    }
    assert (await get("/stats", headers=as_a)).json()["total"]["calls"] == 1
    asked = await get("/traces", headers=as_a, params={"agent": "b"})
    assert asked.json()["traces"] == []


async def test_alerts(control, credentials) -> None:
    found = (await control.ask("GET", "/alerts", params={"reason": "llm-not-allowed"})).json()
    assert found["reasons"] == [{"reason": "llm-not-allowed", "alerts": 1, "denied": 1}]
    assert [(one["decision_id"], one["reasons"]) for one in found["alerts"]] == [
        ("b2", ["llm-not-allowed"])
    ]
    assert (await control.ask("GET", "/alerts", params={"agent": "a"})).json()["alerts"] == []


@pytest.mark.parametrize(
    ("params", "buckets"),
    [
        ({}, 24),
        ({"window": "1h"}, 60),
        ({"window": "7d"}, 56),
        ({"since": str(NOW - 7_200_000)}, 3),
        ({"since": str(NOW - 7_200_000), "until": str(NOW), "bucket": "600"}, 13),
    ],
)
async def test_numbers(control, credentials, params, buckets) -> None:
    found = (await control.ask("GET", "/agents/b/stats", params=params)).json()
    assert found["agent_id"] == "b"
    assert (found["total"]["calls"], found["total"]["denied"]) == (2, 1)
    assert len(found["buckets"]) == buckets
    assert sum(one["calls"] for one in found["buckets"]) == 2
    assert [one["name"] for one in found["by_model"]] == ["gpt"]
    assert (await control.ask("GET", "/stats", params=params)).json()["total"]["calls"] == 3


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("/traces", {"status": "x"}, "invalid-fields"),
        ("/traces", {"status": "999"}, "invalid-fields"),
        ("/traces", {"kind": "x"}, "invalid-fields"),
        ("/traces", {"since": "-1"}, "invalid-fields"),
        ("/traces", {"cursor": "x"}, "invalid-fields"),
        ("/traces", {"limit": "201"}, "invalid-fields"),
        ("/alerts", {"agent": "../x"}, "invalid-agent-id"),
        ("/traces", {"agent": "UPPER"}, "invalid-agent-id"),
        ("/stats", {"window": "2h"}, "invalid-fields"),
        ("/stats", {"since": "1", "bucket": "3600"}, "invalid-period"),
        ("/stats", {"since": str(NOW), "until": "1", "bucket": "60"}, "invalid-period"),
        ("/stats", {"since": str(NOW - 1000), "bucket": "61"}, "invalid-period"),
        (
            "/stats",
            {
                "since": str(NOW - 3 * 86_400_000),
                "until": str(NOW - 2 * 86_400_000),
                "bucket": "60",
            },
            "invalid-period",
        ),
        ("/traces/%00", {}, "trace-not-found"),
        ("/traces/" + "x" * 500, {}, "trace-not-found"),
    ],
)
async def test_what_is_asked_wrongly(control, path, params, code) -> None:
    answer = await control.ask("GET", path, params=params)
    assert (answer.status_code in (400, 404, 422), answer.json()["code"]) == (True, code)
