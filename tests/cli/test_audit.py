"""`amaze audit tail`: one line for each call, each once."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.cli import audit
from amaze_proxy.cli.audit import heading, line
from amaze_proxy.control.signing import Signer
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal, to_json

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
        ({"error": "client went away"}, ["error", "client", "went", "away"], "yellow"),
        ({"error": "abandoned: the worker died"}, ["error", "abandoned", "0"], "yellow"),
        ({"alert": "budget_exceeded", "error": "x"}, ["allowed", "budget_exceeded"], "yellow"),
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


FLAW = {
    "where": "archive",
    "kind": "removed",
    "writer": "w:a",
    "seq": 5,
    "what": "record 5 is missing: after 4 comes 6",
    "agent_id": "a",
    "decision_id": "d6",
    "entry_id": "6-0",
}


def verdict(*flaws: dict[str, Any], count: int | None = None) -> dict[str, Any]:
    found = len(flaws) if count is None else count
    looked_at = {"archive": 1200, "stream": 12, "checkpoints": 1}
    return {"whole": not found, "looked_at": looked_at, "count": found, "flaws": list(flaws)}


def test_a_log_that_is_whole(amaze: Amaze, control: FakeControl) -> None:
    control.answer("POST /audit/verify", verdict())
    done = amaze("audit", "verify", "--agent", "a")
    assert (done.exit_code, control.last.params) == (0, {"agent": "a"})
    assert "1,200 in the archive" in done.stdout
    assert done.stdout.endswith("the evidence is whole\n")


def test_a_log_of_nobody_is_not_called_whole(amaze: Amaze, control: FakeControl) -> None:
    nothing = verdict() | {"looked_at": {"archive": 0, "stream": 0, "checkpoints": 12}}
    control.answer("POST /audit/verify", nothing)
    control.answer("GET /agents/misspelt/audit", [])
    control.answer("GET /agents/misspelt", {"detail": "there is no agent misspelt"}, 404)
    done = amaze("audit", "verify", "--agent", "misspelt")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no agent misspelt" in done.stderr
    control.answer("GET /agents/new/audit", [])
    control.answer("GET /agents/new", {"agent_id": "new"})
    for without_calls in ("new", "_unknown"):
        assert amaze("audit", "verify", "--agent", without_calls).exit_code == 0


def test_a_log_that_is_not_whole(amaze: Amaze, control: FakeControl) -> None:
    control.answer("POST /audit/verify", verdict(FLAW, count=3))
    done = amaze("audit", "verify")
    assert done.exit_code == 1
    assert (
        "removed: record 5 is missing: after 4 comes 6 "
        "(archive, agent a, writer w:a, record 5, decision d6, entry 6-0)"
    ) in done.stdout
    assert "and 2 more" in done.stdout
    done = amaze("audit", "verify", "--json")
    assert (done.exit_code, json.loads(done.stdout)["count"]) == (1, 3)


def an_export(path: Path) -> str:
    """A small export; its key in PEM."""
    signer = Signer(b"s" * 32)
    one = seal(AuditRecord("d1", 1, "a", "llm"), "w:a", 1, GENESIS)
    manifest = {
        "public_key": signer.public_key,
        "checkpoint": GENESIS,
        "chains": {"w:a": {"after": [0, GENESIS], "last": [1, one.hash]}},
    }
    data = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("chain.jsonl", to_json(one) + "\n")
        archive.writestr("checkpoints.json", "[]")
        archive.writestr("manifest.json", data)
        archive.writestr("manifest.sig", signer.sign(data).hex())
    return signer.public_pem.decode()


def test_an_export_is_checked_here(amaze: Amaze, control: FakeControl, tmp_path: Path) -> None:
    path, key = tmp_path / "e.zip", tmp_path / "key.pem"
    key.write_text(an_export(path))
    done = amaze("audit", "verify", "--export", str(path), "--key", str(key))
    assert (done.exit_code, control.asked) == (0, [])
    assert "signed with the key" in done.stdout
    key.write_bytes(Signer(b"t" * 32).public_pem)
    done = amaze("audit", "verify", "--export", str(path), "--key", str(key), "--json")
    assert (done.exit_code, json.loads(done.stdout)["whole"]) == (1, False)
    path.write_bytes(b"no zip")
    assert "cannot be read as an export" in amaze("audit", "verify", "--export", str(path)).stderr
    key.write_text("no key")
    done = amaze("audit", "verify", "--export", str(path), "--key", str(key))
    assert "no Ed25519 public key" in done.stderr


@pytest.mark.parametrize("more", [["--agent", "a", "--export", "FILE"], ["--key", "FILE"]])
def test_what_does_not_go_together(amaze: Amaze, tmp_path: Path, more: list[str]) -> None:
    path = tmp_path / "file"
    path.touch()
    done = amaze("audit", "verify", *(str(path) if one == "FILE" else one for one in more))
    assert done.exit_code == 2


def test_an_export_is_written(amaze: Amaze, control: FakeControl, tmp_path: Path) -> None:
    control.answer("GET /export", b"a zip")
    path = tmp_path / "e.zip"
    done = amaze("audit", "export", "--out", str(path), "--since", "2026-01-01", "--json")
    assert (done.exit_code, path.read_bytes()) == (0, b"a zip")
    assert json.loads(done.stdout) == {"file": str(path), "bytes": 5}
    assert control.last.params == {"since": "2026-01-01"}
    assert control.last.headers["authorization"] == "Bearer amk_preset"
    assert f"{path}: 5 bytes" in amaze("audit", "export", "--out", str(path)).stdout


def test_progress_is_told(
    amaze: Amaze, control: FakeControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amaze_proxy.cli.evidence._PROGRESS_S", 0)
    control.answer("GET /export", b"a" * 1_000_000)
    assert "1.0 MB" in amaze("audit", "export", "--out", str(tmp_path / "e.zip")).stderr


@pytest.mark.parametrize("status", [200, 422])
def test_an_export_that_fails_leaves_nothing(
    amaze: Amaze, control: FakeControl, tmp_path: Path, status: int
) -> None:
    control.answer("GET /export", None if status == 200 else {"detail": "no such time"}, status)
    done = amaze("audit", "export", "--out", str(tmp_path / "e.zip"))
    assert done.exit_code == 1
    assert ("broke off" if status == 200 else "no such time") in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert "cannot be written" in amaze("audit", "export", "--out", "/nowhere/e.zip").stderr
