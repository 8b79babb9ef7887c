"""`amaze demo`: what a newcomer sees first."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from amaze_proxy.demo import cast, interpreter
from tests.e2e.platform import _CLEAN, free_ports

AGENTS = (cast.RESEARCHER, cast.WRITER)


class Demo:
    """`amaze demo` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.proxy, self.control = free_ports(2)

    def start(self, *options: str) -> subprocess.Popen[str]:
        env = {
            **_CLEAN,
            "AMAZE_DATA_DIR": str(self.directory),
            "AMAZE_PROXY_PORT": str(self.proxy),
            "AMAZE_CONTROL_PORT": str(self.control),
            "AMAZE_STORE_TIMEOUT_MS": "10000",  # as in platform.py
            "COLUMNS": "160",
        }
        with (self.directory / "log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "amaze_proxy.cli", "demo", "--no-ui", *options],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def records(self) -> list[dict[str, Any]]:
        """The agents' calls, without MCP's housekeeping, in the order in which they ended."""
        key = (self.directory / "demo" / "admin.key").read_text().strip()
        found: list[dict[str, Any]] = []
        for agent_id in AGENTS:
            url = f"http://127.0.0.1:{self.control}/agents/{agent_id}/audit?limit=500"
            answer = httpx.get(
                url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=60
            )
            found += answer.raise_for_status().json()
        calls = [one for one in found if one["kind"] != "mcp" or one["tool"]]
        return sorted(calls, key=lambda one: one["ts"] + one["latency_ms"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return Demo(tmp_path_factory.mktemp("demo"))


@dataclass(frozen=True, slots=True)
class Played:
    """What the terminal showed, what was recorded, and how it ended."""

    shown: str
    records: list[dict[str, Any]]
    log: str
    code: int


@pytest.fixture(scope="module")
def played(demo: Demo) -> Played:
    """A demo that stays up, until it is stopped as Ctrl-C does."""
    process = demo.start()
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops it" in line:
                break
        assert process.poll() is None, demo.log
        records = demo.records()
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return Played(" ".join("".join(lines).split()), records, demo.log, code)


def _traces(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    ids = dict.fromkeys(record["trace_id"] for record in records)
    return [[one for one in records if one["trace_id"] == trace_id] for trace_id in ids]


def test_a_conversation_of_two_agents_is_one_trace(played: Played) -> None:
    conversation = _traces(played.records)[0]
    asked = [(one["agent_id"], one["kind"], one["tool"] or one["target"]) for one in conversation]
    model = "api.openai.com"
    assert asked == [
        (cast.RESEARCHER, "llm", model),
        (cast.RESEARCHER, "mcp", "search"),
        (cast.RESEARCHER, "llm", model),
        (cast.WRITER, "llm", model),
        (cast.WRITER, "mcp", "read"),
        (cast.WRITER, "llm", model),
        (cast.WRITER, "mcp", "save_draft"),
        (cast.WRITER, "llm", model),
        (cast.RESEARCHER, "a2a", cast.WRITER),
        (cast.RESEARCHER, "llm", model),
    ]
    assert not any(one["denied"] for one in conversation)


def test_each_scene_has_its_trace_and_its_one_refusal(played: Played) -> None:
    refused = [
        [(one["agent_id"], one["denial_reason"]) for one in trace if one["denied"]]
        for trace in _traces(played.records)
    ]
    assert refused == [
        [],
        [(cast.RESEARCHER, "llm-not-allowed")],
        [(cast.RESEARCHER, "tool-not-allowed")],
        [(cast.RESEARCHER, "not-allowed")],
        [(cast.WRITER, "graph_violation")],
        [(cast.WRITER, "edge_loop_exceeded")],
    ]


def test_the_terminal_shows_each_call_and_why_it_was_refused(played: Played, demo: Demo) -> None:
    shown = played.shown
    assert "registered itself (pending), and an operator approved it" in shown
    assert shown.count(" allowed ") - shown.count("calls allowed") >= 20
    for trace in _traces(played.records):
        assert trace[0]["trace_id"] in shown
    for line in (
        "model openai/gpt-5.5 refused llm-not-allowed",
        "tool library/delete refused tool-not-allowed",
        f"agent {cast.PAYROLL} refused not-allowed",
        "tool library/save_draft refused graph_violation",
        "expected: tool library/read (step 1)",
        "tool library/read refused edge_loop_exceeded",
        "or have an operator raise its `max_loops`",
        "28 calls allowed, 5 refused",
        f"http://127.0.0.1:{demo.control}",
    ):
        assert line in shown
    assert "NOT AS IT SHOULD BE" not in shown
    assert "Traceback" not in played.log
    assert "ERROR" not in played.log
    assert played.code == 0


def test_a_second_run_goes_like_the_first_and_ends_by_itself(played: Played, demo: Demo) -> None:
    process = demo.start("--exit")
    try:
        shown, _ = process.communicate(timeout=600)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, demo.log
    assert "28 calls allowed, 5 refused" in shown
    assert "registered itself (pending)" in shown  # at another port: an operator has to look again
    assert "Ctrl-C" not in shown


def test_an_installation_without_the_agents_packages_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(
        interpreter.AgentsMissing, match=r"pip install 'amaze-control-plane\[demo\]"
    ):
        interpreter.find(tmp_path)
    (tmp_path / "Makefile").touch()
    with pytest.raises(interpreter.AgentsMissing, match="make demo"):
        interpreter.find(tmp_path)
    python = tmp_path / ".tools" / "agents-venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (python.parent.parent / ".ready").touch()
    assert interpreter.find(tmp_path) == interpreter.Interpreter(
        str(python), str(tmp_path / "amaze_sdk")
    )
