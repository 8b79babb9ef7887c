"""`amaze agents …`: what each command asks of the control API, and what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, Asked, FakeControl

AGENT = {"agent_id": "a1", "status": "approved", "owner": "me", "created_ms": 1}


def test_list_reads_every_page(amaze: Amaze, control: FakeControl) -> None:
    other = {**AGENT, "agent_id": "a2"}

    def page(asked: Asked) -> object:
        if "after" in asked.params:
            return {"agents": [other], "next": None}
        return {"agents": [AGENT], "next": "a1"}

    control.answer("GET /agents", page)
    shown = amaze("agents", "list")
    assert shown.exit_code == 0, shown.output
    rows = [row.split()[:3] for row in shown.stdout.splitlines()[1:]]
    assert rows == [["a1", "approved", "me"], ["a2", "approved", "me"]]
    as_json = amaze("agents", "list", "--status", "pending", "--json")
    assert json.loads(as_json.stdout) == [AGENT, other]
    assert control.last.params == {"status": "pending", "after": "a1"}


def test_create(amaze: Amaze, control: FakeControl, tmp_path: Path) -> None:
    control.answer("POST /agents", {"agent_id": "a1", "credential": "amz_a1.x"}, 201)
    assert json.loads(amaze("agents", "create", "a1", "--json").stdout)["credential"] == "amz_a1.x"
    assert control.last.json == {"agent_id": "a1"}
    file = tmp_path / "policy.yaml"
    file.write_text("name: p\nallowed_tools: [search]\n")
    done = amaze("agents", "create", "a1", "--policy", str(file), "--owner", "me")
    assert done.stdout.splitlines() == ["agent_id    a1", "credential  amz_a1.x"]
    assert control.last.json == {
        "agent_id": "a1",
        "policy": {"name": "p", "allowed_tools": ["search"]},
        "owner": "me",
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: [", "is no YAML or JSON"),
        (b"\xff\xfe\x00", "is no YAML or JSON"),
        (b"", "must be a mapping"),
        (b"name: a\nname: b\n", "the key 'name' is there twice"),
        (b"name: 2020-01-01\n", "name: must be a text"),
        (b"allowed_tolls: []\n", "did you mean 'allowed_tools'?"),
    ],
)
def test_a_policy_file_that_is_none(
    amaze: Amaze, control: FakeControl, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(content)
    done = amaze("agents", "create", "a1", "--policy", str(file))
    assert done.exit_code == 1
    assert says in done.stderr
    assert control.asked == []


@pytest.mark.parametrize("verb", ["approve", "reject", "quarantine", "release", "rotate"])
def test_verbs(amaze: Amaze, control: FakeControl, verb: str) -> None:
    control.answer(f"POST /agents/a1/{verb}", AGENT)
    assert json.loads(amaze("agents", verb, "a1", "--json").stdout) == AGENT


def test_show(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /agents/a1", AGENT)
    assert "status      approved" in amaze("agents", "show", "a1").stdout


def test_delete_asks_first(amaze: Amaze, control: FakeControl) -> None:
    control.answer("DELETE /agents/a1", b"", 204)
    assert amaze("agents", "delete", "a1", stdin="n\n").exit_code == 1
    assert control.asked == []
    assert amaze("agents", "delete", "a1", stdin="y\n").exit_code == 0
    assert amaze("agents", "delete", "a1", "--yes").exit_code == 0
    assert [asked.method for asked in control.asked] == ["DELETE", "DELETE"]


def test_a_failure_is_one_line_and_exit_code_1(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /agents/a1", {"detail": "no agent 'a1'"}, 404)
    done = amaze("agents", "show", "a1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "amaze: no agent 'a1' [HTTP 404]\n"


@pytest.mark.parametrize("agent_id", ["A1", "../health", "a/b", "_unknown", ""])
def test_an_id_that_is_none_is_wrong_usage(
    amaze: Amaze, control: FakeControl, agent_id: str
) -> None:
    done = amaze("agents", "quarantine", agent_id)
    assert (done.exit_code, "is no agent id" in done.stderr) == (2, True)
    assert control.asked == []


def test_an_unknown_command_is_wrong_usage(amaze: Amaze) -> None:
    assert amaze("nonsense").exit_code == 2
    assert "quarantine" in amaze("--help").stdout
    assert amaze("--version").exit_code == 0


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("10.0.0.7:9100", "10.0.0.7", 9100),
        ("http://agent.local:80/", "agent.local", 80),
        ("[::1]:9100", "::1", 9100),
    ],
)
def test_where_an_agent_listens(
    amaze: Amaze, control: FakeControl, given: str, host: str, port: int
) -> None:
    place = {"a2a_host": host, "a2a_port": port}
    control.answer("PUT /agents/a1/endpoint", {**AGENT, **place})
    shown = amaze("agents", "endpoint", "a1", given)
    assert f"a2a_host    {host}" in shown.stdout
    assert control.last.json == place
    control.answer("POST /agents", {"agent_id": "a1", "credential": "amz_a1.x"}, 201)
    assert amaze("agents", "create", "a1", "--a2a", given).exit_code == 0
    assert control.last.json == {"agent_id": "a1", **place}
