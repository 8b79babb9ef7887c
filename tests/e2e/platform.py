"""The real platform in a directory of its own: `amaze up`, driven over its ports."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.e2e.provider import LLM_HOSTS, Provider

T = TypeVar("T")
OPEN_POLICY: dict[str, Any] = {
    "name": "open",
    "allowed_llm_providers": ["openai", "anthropic"],
}
# What this machine presets for certificates and proxies must not reach what we start.
_CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not any(part in name.upper() for part in ("CERT", "_CA_", "CA_BUNDLE", "PROXY", "AMAZE_"))
    and name not in ("GIT_SSL_CAINFO", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
}


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()


def until(condition: Callable[[], T], what: str, seconds: float = 60) -> T:
    """The first truthy value of the condition."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)  # asked too often, it costs what is waited for its processor


@dataclass(frozen=True)
class Agent:
    agent_id: str
    credential: str


class Platform:
    """A running platform with two workers and a mock provider."""

    def __init__(self, directory: Path, provider: Provider, **env: str) -> None:
        self.directory = directory
        self.provider = provider
        self.data_dir = directory / "data"
        self.proxy_port, self.control_port, self.ui_port = free_ports(3)
        self.admin_key = "amk_" + secrets.token_urlsafe(24)
        hosts = (*LLM_HOSTS, "allowed.example")
        self.env = {
            **_CLEAN,
            "AMAZE_DATA_DIR": str(self.data_dir),
            "AMAZE_PROXY_PORT": str(self.proxy_port),
            "AMAZE_CONTROL_PORT": str(self.control_port),
            "AMAZE_UI_PORT": str(self.ui_port),
            "AMAZE_PROXY_WORKERS": "2",
            "AMAZE_ADMIN_KEY": self.admin_key,
            "AMAZE_UPSTREAMS": ",".join(f"{host}={provider.url}" for host in hosts),
            "AMAZE_UPSTREAM_CA": str(provider.ca_file),
            # a machine that stands still is not what is tested: see test_faults.py
            "AMAZE_STORE_TIMEOUT_MS": "10000",
            **env,
        }
        self.log = directory / "platform.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "amaze_proxy.cli", "up", "--no-ui"],
                env=self.env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.control_port}",
            headers={"authorization": f"Bearer {self.admin_key}"},
            trust_env=False,
            timeout=60,
            verify=False,  # it is plain HTTP: the public roots take long to load
        )
        try:
            until(self.is_ready, "the platform to be ready", 120)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}; its log:\n{self.log.read_text()}") from None

    def is_ready(self) -> bool:
        """Whether proxy and control say that they are well."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError("the platform stopped")
        try:
            url = f"http://127.0.0.1:{self.proxy_port}/health"
            proxy = httpx.get(url, trust_env=False, verify=False)
            return proxy.status_code == 200 and self.control.get("/health").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._client is not None:
            self._client.close()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def control(self) -> httpx.Client:
        assert self._client is not None
        return self._client

    @property
    def ca_file(self) -> Path:
        return self.data_dir / "ca" / "ca.pem"

    # -- agents ---------------------------------------------------------------------------------

    def agent(self, policy: Mapping[str, Any] | None = None, name: str = "agent") -> Agent:
        agent_id = f"{name}-{secrets.token_hex(4)}"
        body = {"agent_id": agent_id, "policy": dict(policy or OPEN_POLICY)}
        answer = self.control.post("/agents", json=body)
        assert answer.status_code == 201, answer.text
        return Agent(agent_id, answer.json()["credential"])

    def put_policy(self, agent: Agent, policy: Mapping[str, Any]) -> int:
        answer = self.control.put(f"/policy/{agent.agent_id}", json=dict(policy))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    def audit(self, agent_id: str) -> list[dict[str, Any]]:
        """The agent's records, oldest first."""
        answer = self.control.get(f"/agents/{agent_id}/audit", params={"limit": 500})
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()))

    def audited(self, agent: Agent, count: int) -> list[dict[str, Any]]:
        """The agent's records, once there are that many."""
        return until(
            lambda: found if len(found := self.audit(agent.agent_id)) >= count else None,
            f"{count} audit records",
        )

    # -- clients --------------------------------------------------------------------------------

    def proxy_url(self, agent: Agent) -> str:
        return f"http://{agent.agent_id}:{agent.credential}@127.0.0.1:{self.proxy_port}"

    def tls(self) -> ssl.SSLContext:
        """Trusts our CA alone, as strictly as Python 3.13 does."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def client(self, agent: Agent, **options: Any) -> httpx.Client:
        return httpx.Client(
            proxy=self.proxy_url(agent), verify=self.tls(), trust_env=False, timeout=60, **options
        )

    def async_client(self, agent: Agent, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            proxy=self.proxy_url(agent), verify=self.tls(), trust_env=False, timeout=60, **options
        )

    def run(
        self, agent: Agent, *command: str, seconds: float = 240, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """The command under `amaze run`, in a clean environment."""
        argv = [sys.executable, "-m", "amaze_proxy.cli", "run", "--agent", agent.agent_id, "--"]
        return subprocess.run(
            [*argv, *command],
            env={**self.env, "AMAZE_CREDENTIAL": agent.credential, **env},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def cli(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "amaze_proxy.cli", *args],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    # -- processes ------------------------------------------------------------------------------

    def pids(self, marker: str) -> list[int]:
        """Descendants of the platform whose command line has the marker."""
        return [pid for pid in _descendants(self.pid) if marker in _command(pid)]

    def workers(self) -> list[int]:
        return self.pids("amaze_proxy.proxy")

    def valkey(self) -> int:
        (pid,) = self.pids("valkey-server")
        return pid

    @property
    def store_socket(self) -> str:
        """The embedded server's unix socket, out of its process title."""
        return _command(self.valkey()).split("unixsocket:")[1].split()[0]


def chat(text: str = "hi", **fields: Any) -> dict[str, Any]:
    """An OpenAI chat request."""
    return {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": text}],
        **fields,
    }


OPENAI = "https://api.openai.com/v1/chat/completions"


def reason_of(answer: httpx.Response) -> str:
    return str(json.loads(answer.content)["reason"])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def state(pid: int) -> str:
    """The letter of the process's state: Z has ended, and nobody has waited for it. "": gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def runs(pid: int) -> bool:
    """Whether it has not ended."""
    return state(pid) not in ("", "Z")


def _descendants(root: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {root})
        found |= more
