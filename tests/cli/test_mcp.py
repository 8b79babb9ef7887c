"""`amaze mcp …` and `amaze llm …`: what each command asks of the control API, and shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, Asked, FakeControl

SERVER = {"name": "s", "status": "approved", "url": "http://s/mcp", "owner": "me", "created_ms": 1}


def test_list_reads_every_page(amaze: Amaze, control: FakeControl) -> None:
    other = {**SERVER, "name": "t"}

    def page(asked: Asked) -> object:
        if "after" in asked.params:
            return {"mcp_servers": [other], "next": None}
        return {"mcp_servers": [SERVER], "next": "s"}

    control.answer("GET /mcp_servers", page)
    shown = amaze("mcp", "list")
    assert shown.exit_code == 0, shown.output
    rows = [row.split()[:3] for row in shown.stdout.splitlines()[1:]]
    assert rows == [["s", "approved", "http://s/mcp"], ["t", "approved", "http://s/mcp"]]
    as_json = amaze("mcp", "list", "--status", "pending", "--json")
    assert json.loads(as_json.stdout) == [SERVER, other]
    assert control.last.params == {"status": "pending", "after": "s"}


def test_show(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /mcp_servers/s", {**SERVER, "pending": {"url": "http://t/"}})
    lines = amaze("mcp", "show", "s").stdout.splitlines()
    assert 'pending     {"url": "http://t/"}' in lines
    assert json.loads(amaze("mcp", "show", "s", "--json").stdout)["status"] == "approved"


def test_register_as_an_administrator(
    amaze: Amaze, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMAZE_ENROLL_KEY", "enrol-me-please")
    control.answer("POST /register", {"name": "s", "status": "approved", "message": ""}, 201)
    done = amaze("mcp", "register", "s", "http://s/mcp", "--tool", "a", "--tool", "b")
    assert done.exit_code == 0, done.output
    assert control.last.params == {"kind": "mcp"}
    assert control.last.json == {"name": "s", "url": "http://s/mcp", "tools": ["a", "b"]}
    assert control.last.headers["authorization"] == "Bearer amk_preset"
    assert "x-amaze-enroll-key" not in control.last.headers


def test_register_with_the_enrolment_key_or_nothing(
    amaze: Amaze, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMAZE_ADMIN_KEY")
    answer = {"name": "s", "status": "pending", "message": "run: amaze mcp approve s"}
    control.answer("POST /register", answer, 201)
    assert "run: amaze mcp approve s" in amaze("mcp", "register", "s", "http://s/mcp").stdout
    assert control.last.json == {"name": "s", "url": "http://s/mcp"}
    assert not {"authorization", "x-amaze-enroll-key"} & set(control.last.headers)
    monkeypatch.setenv("AMAZE_ENROLL_KEY", "enrol-me-please")
    done = amaze("mcp", "register", "s", "http://s/mcp", "--json")
    assert json.loads(done.stdout) == answer
    assert control.last.headers["x-amaze-enroll-key"] == "enrol-me-please"


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_verbs(amaze: Amaze, control: FakeControl, verb: str) -> None:
    control.answer(f"POST /mcp_servers/s/{verb}", SERVER)
    assert json.loads(amaze("mcp", verb, "s", "--json").stdout) == SERVER
    assert control.last.body == b""
    assert amaze("mcp", verb, "s", "--url", "http://t/").exit_code == 0
    assert control.last.json == {"url": "http://t/"}


def test_llm_hosts(amaze: Amaze, control: FakeControl) -> None:
    host = {"name": "h", "dialect": "ollama", "url": "http://h/", "created_ms": 1}
    control.answer("POST /llms", host, 201)
    added = amaze("llm", "add", "h", "http://h", "--dialect", "ollama", "--json")
    assert json.loads(added.stdout) == host
    assert control.last.json == {"name": "h", "url": "http://h", "dialect": "ollama"}
    control.answer("GET /llms", {"llms": [host], "next": None})
    assert amaze("llm", "list").stdout.splitlines()[1].split()[:3] == ["h", "ollama", "http://h/"]
    assert json.loads(amaze("llm", "list", "--json").stdout) == [host]


@pytest.mark.parametrize(("command", "path"), [("mcp", "mcp_servers"), ("llm", "llms")])
def test_delete_asks_first(amaze: Amaze, control: FakeControl, command: str, path: str) -> None:
    control.answer(f"DELETE /{path}/s", b"", 204)
    assert amaze(command, "delete", "s", stdin="n\n").exit_code == 1
    assert control.asked == []
    assert amaze(command, "delete", "s", "--yes").exit_code == 0
    assert control.last.method == "DELETE"


@pytest.mark.parametrize(
    "args",
    [
        ("mcp", "approve", "A"),
        ("mcp", "show", "../health"),
        ("mcp", "register", "a.b", "http://s/"),
        ("mcp", "register", "s"),
        ("llm", "delete", ""),
        ("llm", "add", "h", "http://h"),
        ("llm", "add", "h", "http://h", "--dialect", "soap"),
        ("agents", "endpoint", "a1"),
        ("agents", "endpoint", "a1", "h"),
        ("agents", "endpoint", "a1", "https://h:1"),
        ("agents", "endpoint", "a1", "http://u@h:1"),
        ("agents", "endpoint", "a1", "h:1/path"),
        ("agents", "create", "a1", "--a2a", "http://h"),
    ],
)
def test_wrong_usage(amaze: Amaze, control: FakeControl, args: tuple[str, ...]) -> None:
    assert amaze(*args).exit_code == 2
    assert control.asked == []


def test_a_failure_is_one_line_and_exit_code_1(amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /mcp_servers/s", {"detail": "there is no MCP server s"}, 404)
    done = amaze("mcp", "show", "s")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "amaze: there is no MCP server s [HTTP 404]\n"
