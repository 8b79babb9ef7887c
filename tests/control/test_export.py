"""The routes of the evidence: the key, the verdict, the export; and what is behind the stream."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from amaze_proxy.control import offline
from amaze_proxy.control.archiver import Archiver
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.agents import Agent


async def settle(store, agent_id: str, count: int, start: int = 0, **more: object) -> None:
    for number in range(start, start + count):
        values = {"trace_id": f"t{number % 2}", "tool": "=cmd()", **more}
        record = AuditRecord(f"{agent_id}-{number}", 1000 + number, agent_id, "mcp", **values)
        await store.gate.settle(Settlement(record.decision_id, agent_id, record, charged=False))


@pytest.fixture
async def filled(control, until):
    """Archived by the archiver of the control plane itself, whose clock says that all is young:
    what it cuts off its streams, at a time of its own, is not what is tested here."""
    control.clock.now = 1_000
    for agent_id in ("a", "b"):
        await control.store.agents.create(Agent(agent_id))
        await settle(control.store, agent_id, 5)
    await settle(control.store, "_unknown", 1)

    async def is_archived() -> bool:
        newest = [await control.history.archive.newest(one, 9) for one in ("a", "b", "_unknown")]
        return [len(one) for one in newest] == [5, 5, 1]

    await until(is_archived)
    return control


async def export(control, tmp_path: Path, **params: str) -> Path:
    answer = await control.ask("GET", "/export", params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    path = tmp_path / "export.zip"
    path.write_bytes(answer.content)
    return path


async def test_the_control_plane_archives_and_says_so(filled) -> None:
    health = (await filled.client.get("/health")).json()
    assert health["parts"]["archive"] == "ok"
    verdict = (await filled.ask("POST", "/audit/verify")).json()
    assert (verdict["whole"], verdict["count"], verdict["flaws"]) == (True, 0, [])
    assert verdict["looked_at"]["archive"] >= 11


async def test_a_flaw_is_answered_with_its_place(filled) -> None:
    (last, *_) = await filled.store.client.xrevrange("audit:{a}", count=1)
    await filled.store.client.xdel("audit:{a}", last[0])
    verdict = (await filled.ask("POST", "/audit/verify", params={"agent": "a"})).json()
    assert not verdict["whole"]
    (flaw,) = verdict["flaws"]
    assert (flaw["where"], flaw["kind"], flaw["agent_id"], flaw["seq"]) == (
        "stream",
        "removed",
        "a",
        5,
    )
    answer = await filled.ask("POST", "/audit/verify", params={"agent": "../x"})
    assert answer.json()["code"] == "invalid-agent-id"


async def test_an_export_is_checked_without_us(filled, tmp_path) -> None:
    path = await export(filled, tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    pem = (await filled.client.get("/audit/key")).content
    assert (tmp_path / "out" / "public-key.pem").read_bytes() == pem
    command = [sys.executable, "-I", "-S", "verify.py", str(path), "public-key.pem"]
    # isolated: it finds neither aMaze nor cryptography
    program = "import sys, runpy; sys.path.insert(0, '.'); sys.argv = sys.argv[1:];"
    command[3:4] = ["-c", program + "runpy.run_path('verify.py', run_name='__main__')", "verify.py"]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (offline.UNSIGNED, "")
    assert "hashes are whole, but signatures were not checked" in done.stdout
    report = offline.verify(path, offline.public_key_of(pem))
    assert (report.whole, report.signed) == (True, True)
    assert report.records >= 11


async def test_tables_and_traces_of_an_export(filled, tmp_path) -> None:
    path = await export(filled, tmp_path, agent="a", since="1001", until="1004")
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("audit.csv").decode())))
        traces = json.loads(archive.read("traces.json"))
        chain = archive.read("chain.jsonl").splitlines()
    assert [row["decision_id"] for row in rows] == ["a-1", "a-2", "a-3"]
    assert {row["tool"] for row in rows} == {"'=cmd()"}, "no formula for a spreadsheet"
    assert [(one["trace_id"], [c["decision_id"] for c in one["calls"]]) for one in traces] == [
        ("t0", ["a-2"]),
        ("t1", ["a-1", "a-3"]),
    ]
    assert [json.loads(line)["decision_id"] for line in chain] == ["a-1", "a-2", "a-3"]
    assert offline.verify(path).whole


async def test_an_export_of_nothing(filled, tmp_path) -> None:
    path = await export(
        filled, tmp_path, until="1970-01-01T00:00:00Z", agent="b", since="2026-01-01"
    )
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("traces.json")) == []
        assert archive.read("chain.jsonl") == b""
    assert offline.verify(path).records == 0


@pytest.mark.parametrize("given", ["yesterday", "-1", "1" * 16, "9999-99-99"])
async def test_a_time_that_is_none(control, given) -> None:
    answer = await control.ask("GET", "/export", params={"since": given})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-fields")


async def test_what_was_trimmed_is_still_told(control, until) -> None:
    store, history = control.store, control.history
    await store.agents.create(Agent("a"))
    await settle(store, "a", 6)
    archiver = Archiver(history, store, control.clock, 0.01, keep_ms=0)
    while await archiver.step():
        pass
    await archiver.trim()
    await settle(store, "a", 3, start=6)

    async def told(limit: int) -> list[str]:
        answer = await control.ask("GET", "/agents/a/audit", params={"limit": str(limit)})
        return [record["decision_id"] for record in answer.json()]

    newest_first = [f"a-{number}" for number in reversed(range(9))]
    assert await told(100) == newest_first
    for limit in (1, 3, 4, 9):
        assert await told(limit) == newest_first[:limit]
    while await archiver.step():
        pass
    await archiver.trim()
    assert await store.audit.recent("a") == []
    assert await told(5) == newest_first[:5]


async def test_the_log_of_strangers_and_of_the_deleted_is_still_told(control) -> None:
    store = control.store
    await control.create("a")
    await settle(store, "a", 2)
    await settle(store, "_unknown", 2)
    archiver = Archiver(control.history, store, control.clock, 0.01, keep_ms=0)
    while await archiver.step():
        pass
    await archiver.trim()
    assert (await control.ask("DELETE", "/agents/a")).status_code == 204
    for agent_id in ("a", "_unknown"):
        answer = await control.ask("GET", f"/agents/{agent_id}/audit")
        told = [one["decision_id"] for one in answer.json() if one["kind"] == "mcp"]
        assert told == [f"{agent_id}-1", f"{agent_id}-0"]
