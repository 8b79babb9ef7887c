"""SDK agents as processes of their own: started, approved, ready."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.clients.run import AGENTS, ROOT
from tests.e2e.platform import Agent, Platform, until

SCRIPT = Path(__file__).parent / "scripted.py"


@dataclass(frozen=True)
class Answered:
    """A user's message, answered."""

    reply: Any
    trace_id: str
    turn_id: str
    denials: list[dict[str, Any]]


class Started:
    """A process of scripted.py that registered itself, and was approved with its policy."""

    def __init__(
        self, platform: Platform, directory: Path, name: str, policy: Mapping[str, Any]
    ) -> None:
        self.platform = platform
        self.agent_id = f"{name}-{secrets.token_hex(4)}"
        self._directory = directory
        self.log = directory / f"{self.agent_id}.log"
        self._policy = policy
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        env = {
            **self.platform.env,
            "AMAZE_AGENT_ID": self.agent_id,
            "AMAZE_ORCHESTRATOR_URL": f"http://127.0.0.1:{self.platform.control_port}",
            "AMAZE_PROXY_URL": f"http://127.0.0.1:{self.platform.proxy_port}",
            "AMAZE_STATE_DIR": str(self._directory),
            "PYTHONPATH": str(ROOT / "amaze_sdk"),
        }
        python = AGENTS if Path(AGENTS).exists() else sys.executable
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [python, str(SCRIPT)], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def ready(self) -> Started:
        """Wait for the registration, approve it, and wait until it takes messages."""
        control = self.platform.control
        path = f"/agents/{self.agent_id}"
        until(lambda: self._alive() and control.get(path).status_code == 200, "registered", 120)
        answer = control.put(f"/policy/{self.agent_id}", json=dict(self._policy))
        assert answer.status_code == 200, answer.text
        answer = control.post(f"{path}/approve")
        assert answer.status_code == 200, answer.text
        until(lambda: self._alive() and b"takes messages" in self.log.read_bytes(), "serving", 120)
        return self

    def _alive(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    @property
    def agent(self) -> Agent:
        """With the credential that it got."""
        (file,) = self._directory.glob(f"**/{self.agent_id}*.cred*")
        return Agent(self.agent_id, file.read_text().strip())

    @property
    def endpoints(self) -> dict[str, Any]:
        answer = self.platform.control.get(f"/resolve/agent/{self.agent_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def put_policy(self, **policy: Any) -> None:
        self.platform.put_policy(Agent(self.agent_id, ""), policy)

    def tell(self, content: Sequence[Any] | Mapping[str, Any]) -> Answered:
        """A user's message."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.platform.control_port}/agents/{self.agent_id}/messages",
            json={"message": json.dumps(content)},
            headers={"authorization": f"Bearer {self.platform.admin_key}"},
            trust_env=False,
            timeout=120,
        )
        assert answer.status_code == 200, (answer.text, self.log.read_text())
        return Answered(**answer.json())

    def records(self, trace_id: str, count: int) -> list[dict[str, Any]]:
        """Of one conversation, oldest first."""
        return until(
            lambda: found if len(found := self.in_trace(trace_id)) >= count else None,
            f"{count} records of {self.agent_id}",
        )

    def in_trace(self, trace_id: str) -> list[dict[str, Any]]:
        return [one for one in self.platform.audit(self.agent_id) if one["trace_id"] == trace_id]
