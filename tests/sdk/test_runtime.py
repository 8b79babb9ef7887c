from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import amaze
import httpx
import pytest
from amaze.testing import FakePlatform, send

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent.py"
COMPLETION = {"choices": [{"message": {"content": "hello from the model"}}]}


@contextmanager
def started(script: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The agent as its user starts it, and its chat port; stopped by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script)], env=environ, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        match = re.search(r":(\d+)/chat$", line)
        assert match, line + process.stderr.read()
        yield process, int(match[1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=15)
        assert process.returncode == 0, rest


def test_the_example_runs_unchanged(
    agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    platform.answer("https://api.openai.com/v1/chat/completions", COMPLETION)
    with started(EXAMPLE, agent_environment) as (_, port):
        assert send(port, "hi", headers={"X-Amaze-Turn": "gateway-turn"}) == "hello from the model"
        assert send(port, "hi again") == "hello from the model"
    assert platform.registrations[0]["chat_port"] == port
    assert [call.turn for call in platform.calls] == ["gateway-turn", "turn-1"]
    call = platform.calls[0]
    assert call.url == "https://api.openai.com/v1/chat/completions"
    assert call.json()["messages"][0]["content"] == "hi"
    assert call.headers["authorization"] == "Bearer sk-of-the-agent"


def test_the_example_takes_messages_of_agents(
    agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    platform.answer("https://api.openai.com/v1/chat/completions", COMPLETION)
    with started(EXAMPLE, agent_environment):
        assert platform.send_as_agent("two", "hi") == "hello from the model"
    assert [call.turn for call in platform.calls] == ["turn-1"]


def test_a_call_past_the_proxy_is_refused(
    agent_environment: dict[str, str], platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMAZE_A2A_PORT", "0")
    with amaze.init(block=False) as agent:
        connection = HTTPConnection("127.0.0.1", agent.a2a_port, timeout=10)
        headers = {"X-Amaze-Caller": "two", "X-Amaze-Turn": "t"}
        connection.request("POST", "/message:send", b'{"message": {"parts": []}}', headers)
        response = connection.getresponse()
        content = json.loads(response.read())
        connection.close()
    assert (response.status, content["reason"]) == (403, "invalid-caller")


def test_without_a_function_for_them_no_agents_are_served(
    agent_environment: dict[str, str], platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with amaze.init(block=False) as agent:
        assert agent.a2a_port == 0
    assert "a2a_port" not in platform.registrations[0]
    monkeypatch.setenv("AMAZE_A2A_PORT", "0")
    with amaze.init(block=False) as agent:
        assert platform.registrations[1]["a2a_port"] == agent.a2a_port
        with pytest.raises(amaze.SendError, match="has no function receive_message_from_agent"):
            platform.send_as_agent("two", "hi")


def test_a_restarted_process_is_the_same_agent(
    agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    platform.answer("https://api.openai.com/v1/chat/completions", COMPLETION)
    for _ in range(2):
        with started(EXAMPLE, agent_environment) as (_, port):
            send(port, "hi")
    assert len(platform.registrations) == 2
    assert len({call.headers["x-amaze-bearer"] for call in platform.calls}) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(
    number: signal.Signals, agent_environment: dict[str, str], platform: FakePlatform
) -> None:
    with started(EXAMPLE, agent_environment) as (process, _):
        process.send_signal(number)
        process.wait(timeout=15)


SLOW_AGENT = """
import asyncio, sys, amaze
async def receive_message_from_user(message):
    print("handling", flush=True)
    sys.stdin.readline()
    return "done"
amaze.init()
"""


def test_a_message_being_handled_is_finished_first(
    agent_environment: dict[str, str], platform: FakePlatform, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_AGENT],
        env=agent_environment | {"AMAZE_CHAT_PORT": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    port = int(re.search(r":(\d+)/chat", process.stderr.readline())[1])  # type: ignore[index]
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(send, port, "hi")
        assert process.stdout.readline() == "handling\n"
        process.send_signal(signal.SIGTERM)
        process.stdin.write("\n")
        process.stdin.flush()
        assert reply.result(timeout=15) == "done"
    process.communicate(timeout=15)
    assert process.returncode == 0


def refused(environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE)],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


def test_a_refused_agent_says_why(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    platform.enroll_key = "the-key"
    last = refused(agent_environment)
    assert last.startswith("amaze.errors.RegistrationError:")
    assert "X-Amaze-Enroll-Key is needed" in last


def test_without_a_proxy_the_agent_does_not_run(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    platform.stop_proxy()
    last = refused(agent_environment | {"AMAZE_START_TIMEOUT": "0.3"})
    assert last.startswith("amaze.errors.EnforcementError:")
    assert "ungoverned" in last


class _Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None: ...


def test_something_else_on_the_proxys_port_is_not_a_proxy(
    platform: FakePlatform, agent_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with HTTPServer(("127.0.0.1", 0), _Web) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.02,))
        thread.start()
        monkeypatch.setenv("AMAZE_PROXY_URL", f"http://127.0.0.1:{web.server_address[1]}")
        monkeypatch.setenv("AMAZE_START_TIMEOUT", "0.2")
        with pytest.raises(amaze.EnforcementError, match="health answers 404"):
            amaze.init(block=False)
        web.shutdown()
        thread.join()


def test_a_failed_init_leaves_the_process_as_it_was(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    before, ca_pem = dict(os.environ), platform.ca_pem
    platform.ca_pem = b"no certificate"
    with pytest.raises(amaze.EnforcementError):
        amaze.init(block=False)
    assert dict(os.environ) == before
    platform.ca_pem = ca_pem
    amaze.init(block=False).close()


def test_a_failing_on_startup_undoes_everything(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    before = dict(os.environ)

    async def fail() -> None:
        raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"):
        amaze.init(block=False, on_startup=fail)
    assert dict(os.environ) == before
    amaze.init(block=False).close()


def test_close_restores_the_environment(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    before = dict(os.environ)
    agent = amaze.init(block=False)
    assert agent.agent_id == "one"
    assert os.environ["NO_PROXY"] == ""
    assert os.environ["HTTPS_PROXY"].startswith("http://one:amz_one.")
    assert "amz_one." not in repr(agent)
    agent.close()
    agent.close()
    assert dict(os.environ) == before


def test_one_agent_per_process(platform: FakePlatform, agent_environment: dict[str, str]) -> None:
    with amaze.init(block=False), pytest.raises(RuntimeError, match="already"):
        amaze.init(block=False)
    amaze.init(block=False).close()


def test_on_startup_is_governed(platform: FakePlatform, agent_environment: dict[str, str]) -> None:
    with amaze.init(block=False, on_startup=lambda: httpx.get("https://api.example/warm")):
        assert [(call.url, call.turn) for call in platform.calls] == [
            ("https://api.example/warm", None)
        ]


meeting = threading.Barrier(8)


def receive_message_from_user(message: str) -> str:
    """Handlers meet, then make calls in threads of their own: the worst for mixed turns."""
    meeting.wait(timeout=20)
    replies: list[str] = []

    def call() -> None:
        httpx.get(f"https://api.example/{message}")
        replies.append(amaze.current_turn() or "none")

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return replies[0]


def test_concurrent_messages_do_not_mix_turns(
    platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    with amaze.init(block=False) as agent, ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(send, agent.port, f"m{n}", headers={"X-Amaze-Turn": f"t{n}"})
            for n in range(8)
        ]
        assert [one.result() for one in asked] == [f"t{n}" for n in range(8)]
    assert {(call.url, call.turn) for call in platform.calls} == {
        (f"https://api.example/m{n}", f"t{n}") for n in range(8)
    }


ASYNC_AGENT = """
import asyncio, amaze, httpx
meeting = asyncio.Barrier(8)
async def receive_message_from_user(message):
    await meeting.wait()
    async with httpx.AsyncClient() as client:
        await client.get(f"https://api.example/{message}")
    return amaze.current_turn()
amaze.init()
"""


def test_async_handlers_share_one_loop(
    platform: FakePlatform, agent_environment: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "agent.py"
    script.write_text(ASYNC_AGENT)
    with started(script, agent_environment) as (_, port), ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(send, port, f"m{n}", headers={"X-Amaze-Turn": f"t{n}"}) for n in range(8)
        ]
        assert [one.result() for one in asked] == [f"t{n}" for n in range(8)]
    assert {(call.url, call.turn) for call in platform.calls} == {
        (f"https://api.example/m{n}", f"t{n}") for n in range(8)
    }


@pytest.mark.parametrize(
    ("turn", "reason"), [(None, "agent-not-approved"), ("two words", "invalid-turn")]
)
def test_a_message_without_a_turn_is_refused(
    turn: str | None, reason: str, platform: FakePlatform, agent_environment: dict[str, str]
) -> None:
    platform.refuse_turns = "agent-not-approved"
    headers = {"X-Amaze-Turn": turn} if turn else {}
    with amaze.init(block=False) as agent, pytest.raises(AssertionError, match=reason) as caught:
        send(agent.port, "hi", headers=headers)
    assert json.loads(str(caught.value).partition(": ")[2])["reason"] == reason


def test_a_control_plane_that_is_gone_means_no_turn(agent_environment: dict[str, str]) -> None:
    with (
        FakePlatform() as other,
        amaze.testing.environment(
            other.environment("one", AMAZE_STATE_DIR=agent_environment["AMAZE_STATE_DIR"])
        ),
    ):
        agent = amaze.init(block=False)
    with agent, pytest.raises(AssertionError, match=r"503.*gives no turn"):
        send(agent.port, "hi")


def test_an_address_that_is_only_for_listening_is_not_registered(
    platform: FakePlatform, agent_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMAZE_CHAT_HOST", "0.0.0.0")
    with amaze.init(block=False):
        assert platform.registrations[0]["chat_host"] == "127.0.0.1"


def test_a_read_only_home_is_no_obstacle(
    platform: FakePlatform,
    agent_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("AMAZE_STATE_DIR", str(blocked / "state"))
    with amaze.init(block=False) as agent:
        assert agent.status == "approved"
