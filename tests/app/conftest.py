"""The UI as it runs: built, in its own process, beside a real store, control API and proxy."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from amaze_app import build
from amaze_proxy.store.embedded import EmbeddedValkey
from tests.app import web
from tests.app.browsing import PASSWORD, browser, context, page
from tests.app.reverse import ADDRESS

__all__ = ["PASSWORD", "browser", "context", "page"]
_FOREIGN = ("CERT", "CA_BUNDLE", "PROXY", "AMAZE_", "REFLEX_")
_READY_S = 300.0


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@dataclass
class Platform:
    """Store, control API, proxy and UI."""

    directory: Path
    valkey: EmbeddedValkey
    admin_key: str = field(default_factory=lambda: f"amk_{secrets.token_urlsafe(24)}")
    people: set[str] = field(default_factory=set)
    sessions: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.proxy_port, self.control_port, self.ui_port = _free_ports(3)
        self.control_url = f"http://127.0.0.1:{self.control_port}"
        self.url = f"http://127.0.0.1:{self.ui_port}"
        self.log = self.directory / "ui.log"
        clean = {k: v for k, v in os.environ.items() if not any(one in k for one in _FOREIGN)}
        self.env = {
            **clean,
            "AMAZE_DATA_DIR": str(self.directory / "data"),
            "AMAZE_REDIS_URL": self.valkey.url,
            "AMAZE_PROXY_PORT": str(self.proxy_port),
            "AMAZE_CONTROL_PORT": str(self.control_port),
            "AMAZE_UI_PORT": str(self.ui_port),
            "AMAZE_PROXY_WORKERS": "1",
            "AMAZE_ADMIN_KEY": self.admin_key,
            "AMAZE_TRUSTED_PROXIES": ADDRESS,  # nobody is there but a reverse proxy of ours
            "AMAZE_STORE_TIMEOUT_MS": "10000",  # a machine that stands still is not what is tested
        }

    def start(self) -> None:
        """Everything, ready."""
        self.spawn("control")
        self.ready(f"{self.control_url}/health")
        self.spawn("proxy")
        self.spawn("ui")
        self.ready(f"http://127.0.0.1:{self.proxy_port}/health")
        self.ready(f"{self.url}/health")

    def stop(self) -> dict[str, int]:
        """SIGTERM to all; their exit codes."""
        for process in self.processes.values():
            process.terminate()
        return {name: process.wait(60) for name, process in self.processes.items()}

    def kill(self, name: str) -> None:
        """SIGKILL to a process; `spawn` starts another one in its place."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def register(self, agent_id: str, **endpoints: str | int) -> str:
        """A new, pending agent's credential."""
        body = {"agent_id": agent_id, **endpoints}
        answer = self._control("POST", "/register", json=body)
        return str(answer.json()["bearer_token"])

    def agent(self, agent_id: str) -> Any:
        """What the control API says of it."""
        return self._control("GET", f"/agents/{agent_id}").json()

    def call(self, agent_id: str, credential: str) -> httpx.Response:
        """A call through the proxy to a host that no policy allows."""
        proxy = f"http://{agent_id}:{credential}@127.0.0.1:{self.proxy_port}"
        with web.client(proxy=proxy) as client:
            return client.get("http://nowhere.example/secret-plans")

    def person(self, role: str) -> str:
        """The name of a user with this role and PASSWORD, made when it is asked for first."""
        name = f"the-{role}"
        if name not in self.people:
            body = {"name": name, "role": role, "password": PASSWORD}
            self._control("POST", "/auth/users", json=body)
            self.people.add(name)
        return name

    def give(self, agent_id: str, owner: str) -> None:
        """Makes an agent somebody's."""
        self._control("PATCH", f"/agents/{agent_id}", json={"owner": owner})

    def acts(self) -> Any:
        """The newest records of what people have changed."""
        return self._control("GET", "/agents/_admin/audit?limit=50").json()

    def sign_in(self, role: str = "admin") -> str:
        """The cookie of a new session of somebody with this role."""
        answer = web.post(
            f"{self.url}/login",
            data={"name": self.person(role), "password": PASSWORD},
            headers={"Origin": self.url},
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["set-cookie"].partition(";")[0]

    def session(self, role: str) -> str:
        """The cookie of a session that somebody with this role is in: a password costs 0.4 s of
        CPU, so tests share one until it ends."""
        cookie = self.sessions.get(role, "")
        if web.get(f"{self.url}/overview", headers={"Cookie": cookie}).status_code != 200:
            cookie = self.sessions[role] = self.sign_in(role)
        return cookie

    def _control(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        with web.client(base_url=self.control_url, headers=headers) as client:
            answer = client.request(method, path, **more)
        assert answer.is_success, answer.text
        return answer

    def spawn(self, name: str) -> None:
        """Starts `control`, `proxy` or `ui`."""
        of_name = ["amaze_app.serve"] if name == "ui" else ["amaze_proxy.cli", name]
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", *of_name]
            self.processes[name] = subprocess.Popen(
                command, env=self.env, stdout=log, stderr=log, cwd=self.directory
            )

    def ready(self, url: str) -> None:
        """Waits until it answers 200."""

        def answers() -> bool:
            if any(process.poll() is not None for process in self.processes.values()):
                raise AssertionError(f"a process ended:\n{self.log.read_text()}")
            try:
                return web.get(url).status_code == 200
            except httpx.TransportError:
                return False

        until(answers, _READY_S)


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def built() -> None:
    """The frontend of these very sources."""
    build.build()


# not for longer than these tests: what stands idle takes from the others
@pytest.fixture(scope="package")
def _valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="package")
def platform(
    built: None, _valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("platform"), _valkey)
    try:
        started.start()
        yield started
    finally:
        codes = started.stop()
    assert codes["ui"] == 0, started.log.read_text()


@pytest.fixture
def new_agent_id() -> str:
    return f"agent-{secrets.token_hex(4)}"


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of this test alone, to be stopped."""
    valkey = EmbeddedValkey(tmp_path / "own-valkey")
    valkey.start()
    yield valkey
    valkey.stop()
