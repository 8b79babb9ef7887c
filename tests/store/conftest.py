"""A real Valkey for the room, and one approved agent in it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis

from amaze_proxy.policy.decision import GraphMove, GraphStep, Limit
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.usage import Charge, Measure
from amaze_proxy.store.admission import Admission, Admitted, Settlement
from amaze_proxy.store.agents import Agent, AgentStatus
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.store import Store, open_store
from tests.patience import PATIENCE


@dataclass
class Script:
    """Builds calls of one agent with as little said as possible."""

    agent_id: str = "alice"
    credential: str = hashlib.sha256(b"secret").hexdigest()
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    async def enrol(self, store: Store, status: AgentStatus = AgentStatus.APPROVED) -> None:
        await store.agents.create(Agent(self.agent_id, status, session_id="s1"), self.credential)
        await store.policies.publish(self.agent_id, 1, "00", "document")

    def admission(self, **given: Any) -> Admission:
        defaults: dict[str, Any] = {
            "decision_id": f"d{next(self.numbers)}",
            "agent_id": self.agent_id,
            "credential_sha256": self.credential,
            "policy_version": 1,
            "turn_id": "t1",
        }
        return Admission(**{**defaults, **given})

    def settlement(self, admission: Admission, admitted: Admitted, **given: Any) -> Settlement:
        defaults: dict[str, Any] = {
            "decision_id": admission.decision_id,
            "agent_id": admission.agent_id,
            "record": self.record(admission.decision_id),
            "limits": admission.limits,
            "turn_id": admitted.turn_id,
            "mean_key": admission.charge.mean_key,
        }
        return Settlement(**{**defaults, **given})

    def refusal(self, **given: Any) -> Settlement:
        """The settlement of a call that never passed."""
        decision_id = f"d{next(self.numbers)}"
        record = self.record(decision_id, denied=True)
        return Settlement(decision_id, self.agent_id, record, charged=False, **given)

    def record(self, decision_id: str, **given: Any) -> AuditRecord:
        return AuditRecord(decision_id, 1_700_000_000_000, self.agent_id, "llm", **given)

    def tokens(self, maximum: int, window_ms: int = 0) -> Limit:
        name = f"tokens:{window_ms}" if window_ms else "tokens"
        return Limit(name, Measure.TOKENS, maximum, window_ms)

    def cost(self, maximum: int) -> Limit:
        return Limit("cost", Measure.COST, maximum)

    def tools(self, maximum: int) -> Limit:
        return Limit("tool_calls", Measure.TOOL_CALLS, maximum)

    def llm(self, input_tokens: int, output_limit: int | None = None, **given: int) -> Charge:
        return Charge(input_tokens, output_limit, mean_key="openai/gpt", **given)

    def move(self, *steps: GraphStep, **expected: str) -> GraphMove:
        texts = {None if name == "start" else int(name[1:]): t for name, t in expected.items()}
        return GraphMove(steps, tuple(texts.items()))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    relax(valkey)
    yield valkey
    valkey.stop()


def relax(valkey: EmbeddedValkey) -> None:
    """Nothing on disk: these tests are about what is decided, and a disk may stall for longer than
    a test waits. Tests of durability start a server of their own."""
    with redis.Redis(unix_socket_path=str(valkey.socket_path)) as client:
        client.config_set("appendonly", "no")


@pytest.fixture
async def bare(server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    store = await open_store(server.url, tmp_path / "journal", timeout=PATIENCE)
    await store.client.flushall()
    yield store
    await store.close()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def store(bare: Store, script: Script) -> Store:
    """A store in which the script's agent is approved and has a policy, version 1."""
    await script.enrol(bare)
    return bare


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait for a condition."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        with anyio.fail_after(2 * PATIENCE):
            while not await condition():
                await anyio.sleep(0.01)

    return wait


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that the test may stop, kill and fill."""
    valkey = EmbeddedValkey(tmp_path / "own")
    valkey.start()
    yield valkey
    valkey.stop()
