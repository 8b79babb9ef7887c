"""`amaze policy …`: files as they are, versions, and policies back as YAML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, FakeControl

POLICY = {"name": "p", "allowed_tools": ["b", "a"]}


def test_get(amaze: Amaze, control: FakeControl) -> None:
    document = {"version": 3, "policy": POLICY}
    control.answer("GET /policy/a1", document)
    shown = amaze("policy", "get", "a1").stdout
    assert yaml.safe_load(shown) == POLICY
    assert shown.startswith("name: p\n"), "in the order it was written"
    assert json.loads(amaze("policy", "get", "a1", "--json").stdout) == document


def test_put_sends_the_file_as_it_is(amaze: Amaze, control: FakeControl, tmp_path: Path) -> None:
    control.answer("PUT /policy/a1", {"version": 4})
    file = tmp_path / "p.yaml"
    file.write_text("name: p # why\n")
    done = amaze("policy", "put", "a1", str(file), "--comment", "more")
    assert done.stdout == "version  4\n"
    assert control.last.body == b"name: p # why\n"
    assert control.last.params == {"comment": "more"}
    amaze("policy", "put", "a1", "-", stdin="name: q\n")
    assert control.last.body == b"name: q\n"


def test_validate(amaze: Amaze, control: FakeControl) -> None:
    control.answer("POST /policy/a1/validate", {"detail": "max_tokens: unknown"}, 422)
    done = amaze("policy", "validate", "a1", "-", stdin="max_tokens: 1\n")
    assert (done.exit_code, done.stderr) == (1, "amaze: max_tokens: unknown [HTTP 422]\n")
    control.answer("POST /policy/a1/validate", {"valid": True, "errors": []})
    shown = amaze("policy", "validate", "a1", "-", stdin="{}").stdout
    assert shown == "valid     True\nwarnings  0\n"


def test_what_is_not_valid_is_one_line_each_and_exit_code_1(
    amaze: Amaze, control: FakeControl
) -> None:
    errors = [{"field": "", "message": "unknown key 'x'"}, {"field": "mode", "message": "must be"}]
    control.answer("POST /policy/a1/validate", {"valid": False, "errors": errors})
    done = amaze("policy", "validate", "a1", "-", stdin="x: 1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "amaze: unknown key 'x'\namaze: mode: must be\n"
    done = amaze("policy", "validate", "a1", "-", "--json", stdin="x: 1")
    assert (done.exit_code, json.loads(done.stdout)["errors"]) == (1, errors)


def test_a_file_that_is_no_text(amaze: Amaze, control: FakeControl, tmp_path: Path) -> None:
    control.answer("GET /agents/a1", {})
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe")
    for verb in ("put", "validate"):
        done = amaze("policy", verb, "a1", str(tmp_path / "p.yaml"))
        assert (done.exit_code, "it is not a text" in done.stderr) == (1, True)


def test_a_policy_for_nobody_yet_is_told(amaze: Amaze, control: FakeControl) -> None:
    control.answer("PUT /policy/a1", {"version": 1, "policy": POLICY})
    done = amaze("policy", "put", "a1", "-", stdin="{}")
    assert "there is no agent a1 yet" in done.stderr
    assert done.stdout == "version  1\n", "the policy itself is what was given"
    control.answer("GET /agents/a1", {})
    assert amaze("policy", "put", "a1", "-", stdin="{}").stderr == ""
    shown = amaze("policy", "put", "a1", "-", "--json", stdin="{}").stdout
    assert json.loads(shown)["policy"] == POLICY


def test_versions_reads_every_page(amaze: Amaze, control: FakeControl) -> None:
    rows = [{"version": 1, "author": "me", "comment": None}]
    control.answer("GET /policy/a1/versions", {"versions": rows, "next": None})
    assert "me" in amaze("policy", "versions", "a1").stdout
    assert json.loads(amaze("policy", "versions", "a1", "--json").stdout) == rows


def test_rollback(amaze: Amaze, control: FakeControl) -> None:
    control.answer("POST /policy/a1/rollback/2", {"version": 5})
    assert json.loads(amaze("policy", "rollback", "a1", "2", "--json").stdout) == {"version": 5}
    assert amaze("policy", "rollback", "a1", "two").exit_code == 2


def test_warnings_are_told_and_are_no_failure(
    amaze: Amaze, control: FakeControl, tmp_path: Path
) -> None:
    warning = {"field": "allowed_tools[0]", "line": 2, "message": "no MCP server has a tool 'x'"}
    answer = {"valid": True, "errors": [], "warnings": [warning]}
    control.answer("POST /policy/a1/validate", answer)
    file = tmp_path / "p.yaml"
    file.write_text("allowed_tools:\n- x\n")
    done = amaze("policy", "validate", "a1", str(file))
    assert (done.exit_code, done.stdout) == (0, "valid     True\nwarnings  1\n")
    assert done.stderr == (
        f"amaze: {file}:2: warning: allowed_tools[0]: no MCP server has a tool 'x'\n"
    )
    done = amaze("policy", "validate", "a1", str(file), "--json")
    assert (json.loads(done.stdout), done.stderr) == (answer, "")


def test_diff(amaze: Amaze, control: FakeControl) -> None:
    change = {"path": "allowed_tools", "kind": "added", "old": None, "new": "x"}
    answer = {"from": 2, "to": 3, "changes": [change]}
    control.answer("GET /policy/a1/diff", answer)
    shown = amaze("policy", "diff", "a1", "--from", "2").stdout
    assert shown.splitlines()[1].split() == ["allowed_tools", "added", "x"]
    assert control.last.params == {"from": "2"}
    assert json.loads(amaze("policy", "diff", "a1", "--to", "3", "--json").stdout) == answer
    assert control.last.params == {"to": "3"}


def test_export(amaze: Amaze, control: FakeControl) -> None:
    agents = [{"agent_id": "a1"}, {"agent_id": "a2"}]
    control.answer("GET /agents", {"agents": agents, "next": None})
    control.answer("GET /policy/a1", {"policy": POLICY})
    assert yaml.safe_load(amaze("policy", "export").stdout) == {"a1": POLICY}, "a2 has none"
    assert json.loads(amaze("policy", "export", "a1", "--json").stdout) == {"a1": POLICY}
    assert amaze("policy", "export", "a2").exit_code == 1
    assert amaze("policy", "export", "../x").exit_code == 2


def test_simulate(amaze: Amaze, control: FakeControl) -> None:
    nothing = {"calls": 0, "tokens": 0, "cost_microusd": 0}
    flip = {"ts": 1, "kind": "llm", "target": "t", "tool": "", "model": "m", "was": ""}
    answer = {
        "calls": 5,
        "unchanged": 3,
        "cut": True,
        "now_denied": {"calls": 1, "tokens": 30, "cost_microusd": 1500},
        "now_allowed": nothing,
        "undecidable": [{"why": "cut", "calls": 1}],
        "flips": [{**flip, "becomes": "llm-not-allowed", "decision_id": "d1"}],
    }
    control.answer("POST /policy/a1/simulate", answer)
    shown = amaze("policy", "simulate", "a1", "-", "--hours", "48", stdin="name: q").stdout
    assert (control.last.params, control.last.body) == ({"hours": "48"}, b"name: q")
    lines = shown.splitlines()
    assert lines[2:5] == [
        "now denied   1  (30 tokens, $0.001500)",
        "now allowed  0  (0 tokens, $0.000000)",
        "undecidable  1  cut",
    ]
    assert lines[-1].split()[-3:] == ["allowed", "llm-not-allowed", "d1"]
    done = amaze("policy", "simulate", "a1", "-", "--json", stdin="{}")
    assert json.loads(done.stdout) == answer
