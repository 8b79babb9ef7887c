"""A control plane over a real Valkey and a real SQLite file, spoken to through ASGI."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from argon2 import PasswordHasher
from starlette.applications import Starlette

from amaze_proxy.control import passwords
from amaze_proxy.control.app import create_app
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.keys import ensure_admin_key
from amaze_proxy.history.bundle import History
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.store import Store, open_store
from tests.migrated import open_migrated

ADMIN_KEY = "amk_for-these-tests-only"
ENROLL_KEY = "enrol-me-please"
# A machine that stands still is not what is tested, but where a test says so.
PATIENCE_S = 10.0
POLICY = {"name": "p", "allowed_llm_providers": ["openai"], "max_tokens_per_turn": 100}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: int = 1_900_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Control:
    """A running control plane and its client; `admin` is ready-made headers."""

    app: Starlette
    client: httpx.AsyncClient
    store: Store
    history: History
    clock: Clock
    admin: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {ADMIN_KEY}"})

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """As admin."""
        return await self.client.request(method, path, headers=self.admin, **more)

    async def create(self, agent_id: str, **more: Any) -> str:
        """An approved agent's credential."""
        answer = await self.ask("POST", "/agents", json={"agent_id": agent_id, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["credential"])

    async def register(self, agent_id: str, *, bearer: str = "", key: str = "", **more: Any):
        headers = {"X-Amaze-Bearer": bearer} if bearer else {}
        if key:
            headers["X-Amaze-Enroll-Key"] = key
        return await self.client.post(
            "/register", json={"agent_id": agent_id, **more}, headers=headers
        )

    async def in_store(self, credential: str) -> str:
        """What the store says the credential is worth."""
        agent_id = credential.removeprefix("amz_").rpartition(".")[0]
        digest = hashlib.sha256(credential.encode()).hexdigest()
        return str(await self.store.agents.credential_state(agent_id, digest))


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[None]:
    """Runs the lifespan in a task of its own, as a server does."""
    up, down = asyncio.Event(), asyncio.Event()

    async def serve() -> None:
        async with app.router.lifespan_context(app):
            up.set()
            await down.wait()

    task = asyncio.create_task(serve())
    await up.wait()
    try:
        yield
    finally:
        down.set()
        await task


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Waits for a condition."""
    return _until


@pytest.fixture(scope="session")
def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    valkey.start()
    with redis.Redis(unix_socket_path=str(valkey.socket_path)) as client:
        client.config_set("appendfsync", "no")  # a disk that stalls is not what is tested here
    yield valkey
    valkey.stop()


@pytest.fixture
def valkey(shared_valkey: EmbeddedValkey) -> EmbeddedValkey:
    return shared_valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of this test alone, to be stopped and started."""
    valkey = EmbeddedValkey(tmp_path / "own-valkey")
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture
async def store(valkey: EmbeddedValkey) -> AsyncIterator[Store]:
    opened = await open_store(valkey.url, timeout=PATIENCE_S)
    await opened.client.flushall()
    yield opened
    await opened.close()


@pytest.fixture
async def own_store(own_valkey: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Store]:
    """With a journal: what people do while the server is stopped is recorded there."""
    journal = tmp_path / "journal"
    journal.mkdir()
    opened = await open_store(own_valkey.url, journal, timeout=PATIENCE_S)
    yield opened
    await opened.close()


@pytest.fixture
def history_url(request: pytest.FixtureRequest) -> str:
    """A SQLite file; PostgreSQL where a test is marked with `ON_BOTH`."""
    return str(request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url"))


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    opened = await open_migrated(history_url)
    await ensure_admin_key(opened, ADMIN_KEY)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of passwords cost nothing: their price is looked at in test_passwords."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))
    monkeypatch.setattr(
        passwords, "_NOBODY", passwords._NOBODY.replace("65536,t=3,p=4", "8,t=1,p=1")
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def config() -> ControlConfig:
    return ControlConfig(
        turn_key=b"k" * 32,
        ca_pem=b"-----BEGIN CERTIFICATE-----\n",
        registration=RegistrationMode.OPEN,
        enroll_key_sha256=hashlib.sha256(ENROLL_KEY.encode()).hexdigest(),
        reconcile_every=0.02,
        store_timeout=PATIENCE_S,
    )


@asynccontextmanager
async def _serve(
    config: ControlConfig, store: Store, history: History, clock: Clock
) -> AsyncIterator[Control]:
    app = create_app(config, store, history, clock)
    transport = httpx.ASGITransport(app)
    async with (
        running(app),
        httpx.AsyncClient(transport=transport, base_url="http://control") as client,
    ):
        yield Control(app, client, store, history, clock)


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """Starts a control plane over given parts."""
    return _serve


@pytest.fixture
async def control(
    config: ControlConfig, store: Store, history: History, clock: Clock
) -> AsyncIterator[Control]:
    async with _serve(config, store, history, clock) as started:
        yield started
