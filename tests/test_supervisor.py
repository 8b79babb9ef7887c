"""Processes that are kept running, and how they are stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from amaze_proxy import supervisor as supervisor_module
from amaze_proxy.supervisor import Kept, Spec, StartError, Supervisor, python, run, until_signal
from tests.patience import PATIENCE

# Ends in order only once the other one was told to stop, too.
_WAITS_FOR_THE_OTHER = """
import pathlib, signal, sys, time
own, other = map(pathlib.Path, sys.argv[1:])
def stop(*_):
    own.with_suffix(".told").touch()
    while not other.with_suffix(".told").exists():
        time.sleep(0.01)
    own.with_suffix(".ended").touch()
    sys.exit()
signal.signal(signal.SIGTERM, stop)
own.with_suffix(".ready").touch()
while True:
    time.sleep(60)
"""


async def test_processes_that_stop_together_are_told_at_once(
    tmp_path: Path,
) -> None:
    supervisor = Supervisor(PATIENCE, together=True)
    names = [tmp_path / "a", tmp_path / "b"]
    for own, other in (names, reversed(names)):
        argv = [sys.executable, "-c", _WAITS_FOR_THE_OTHER, str(own), str(other)]
        await supervisor.start(Spec(own.name, argv, os.environ))
    for name in names:
        while not name.with_suffix(".ready").exists():
            await asyncio.sleep(0.01)
    await supervisor.stop()
    assert all(name.with_suffix(".ended").exists() for name in names)


_SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): ...
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def spec(code: str, *args: str, **more: Any) -> Spec:
    return Spec("it", [sys.executable, "-c", code, *args], os.environ, **more)


async def wait_for(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_process_is_started_when_it_answers() -> None:
    supervisor = Supervisor()
    url = f"http://127.0.0.1:{(port := free_port())}/"
    kept = await supervisor.start(spec(_SERVER, str(port), ready_url=url))
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        assert (await client.get(url)).status_code == 200
    assert kept.process is not None
    await supervisor.stop()
    assert kept.process.returncode == -signal.SIGTERM


async def test_one_that_ends_before_it_is_ready_is_named() -> None:
    supervisor = Supervisor()
    with pytest.raises(StartError, match="it stopped with code 3 before it was ready"):
        await supervisor.start(
            spec("raise SystemExit(3)", ready_url=f"http://127.0.0.1:{free_port()}/")
        )
    await supervisor.stop()


@pytest.mark.parametrize("answers", [False, True])
async def test_one_that_is_never_ready_is_named_and_stopped(answers: bool) -> None:
    """Also one that answers, but not 200."""
    code = _SERVER.replace("200", "503") if answers else "import time; time.sleep(60)"
    supervisor = Supervisor()
    url = f"http://127.0.0.1:{(port := free_port())}/"
    with pytest.raises(StartError, match="was not ready within 1 s"):
        await supervisor.start(spec(code, str(port), ready_url=url, ready_within_s=0.6))
    await supervisor.stop()


async def test_what_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(supervisor_module, "_LONGEST_PAUSE_S", 0.02)
    runs = tmp_path / "runs"
    code = "import sys; open(sys.argv[1], 'a').write('x'); sys.exit(7)"
    supervisor = Supervisor()
    kept = await supervisor.start(spec(code, str(runs)))
    await wait_for(lambda: kept.restarts >= 3)
    await supervisor.stop()
    assert len(runs.read_text()) >= 3
    pauses = [record.args[2] for record in caplog.records if record.name == "amaze.supervisor"]
    assert pauses[:3] == [0.02, 0.02, 0.02], "longer with each death, up to the longest"
    assert "it ended (7); starting it again" in caplog.text


async def test_what_ran_steadily_is_started_again_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_module, "_STEADY_S", -1.0)
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_S", 0.01)
    supervisor = Supervisor()
    kept = await supervisor.start(spec("pass"))
    await wait_for(lambda: kept.restarts >= 2)
    await supervisor.stop()
    assert {record.args[2] for record in caplog.records if record.name == "amaze.supervisor"} == {
        0.01
    }


async def test_what_is_stopped_in_its_pause_stays_stopped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_module, "_FIRST_PAUSE_S", 0.05)
    supervisor = Supervisor()
    kept = await supervisor.start(spec("pass"))
    await wait_for(lambda: "starting it again" in caplog.text)
    kept.stopping = True
    assert kept._task is not None
    await kept._task
    assert kept.restarts == 0
    await supervisor.stop()


async def test_what_does_not_stop_is_killed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(60)"
    )
    supervisor = Supervisor(stop_within_s=0.0)
    kept = await supervisor.start(spec(code, str(ready)))
    await wait_for(ready.exists)
    await supervisor.stop()
    assert kept.process is not None
    assert kept.process.returncode == -signal.SIGKILL
    assert "did not stop in time: killed" in caplog.text


async def test_one_that_never_was_is_stopped() -> None:
    await Kept(spec("pass")).stop(1)


def test_the_argv_of_a_module() -> None:
    assert python("a.b", "c") == [sys.executable, "-m", "a.b", "c"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_until_a_signal(number: signal.Signals) -> None:
    loop = asyncio.get_running_loop()
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    waiting = asyncio.create_task(until_signal())
    try:
        await asyncio.sleep(0)
        assert not waiting.done()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(waiting, PATIENCE)
    finally:
        for each, handler in before.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)


async def test_nothing_starts_again_while_others_are_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first ends by itself as soon as the second was told to stop."""
    told = tmp_path / "told"
    first = (
        "import pathlib, sys, time\n"
        "while not pathlib.Path(sys.argv[1]).exists():\n time.sleep(0.01)"
    )
    second = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n pathlib.Path(sys.argv[1]).touch()\n time.sleep(0.5)\n sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\npathlib.Path(sys.argv[2]).touch()\ntime.sleep(60)"
    )
    supervisor = Supervisor()
    await supervisor.start(spec(first, str(told)))
    await supervisor.start(spec(second, str(told), str(tmp_path / "ready")))
    await wait_for((tmp_path / "ready").exists)
    await supervisor.stop()
    assert "starting it again" not in caplog.text


async def test_a_terminals_signals_do_not_reach_it() -> None:
    supervisor = Supervisor()
    kept = await supervisor.start(spec("import time; time.sleep(60)"))
    assert kept.process is not None
    assert os.getsid(kept.process.pid) != os.getsid(0)
    await supervisor.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_cleans_up(number: signal.Signals) -> None:
    cleaned = []

    async def main() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            cleaned.append(number)

    with pytest.raises(StartError, match="stopped while it was starting"):
        run(main())
    assert cleaned == [number]


def test_a_signal_that_is_waited_for_is_no_error() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await until_signal()

    run(main())
