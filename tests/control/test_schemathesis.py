"""The API walked by schemathesis from its own description: any input is answered as described."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi import checks

from amaze_proxy.control.api.openapi import document
from amaze_proxy.control.api.routes import TABLE
from amaze_proxy.control.config import ControlConfig, RegistrationMode
from amaze_proxy.control.keys import ensure_admin_key
from amaze_proxy.history.bundle import open_history
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.store import open_store
from tests.control.conftest import PATIENCE_S

SCHEMA = schemathesis.openapi.from_dict(document(TABLE))
SCHEMA.config.update(base_url="http://control")
SCHEMA.config.generation.update(
    modes=list(GenerationMode), max_examples=3, deterministic=True, with_security_parameters=False
)
SCHEMA.config.seed = 1
SCHEMA.config.phases.coverage.unexpected_methods = {"TRACE"}  # one stands for all
# They take a whole policy: every corner of it would be a thousand requests to each of them.
POLICY = {"path_regex": r"^/policy/{agent_id}(/simulate|/validate)?$", "method": ["PUT", "POST"]}

# What they speak to does not answer here, and that is told: 502.
GATEWAYS = ("POST /mcp_servers/{name}/probe", "POST /agents/{agent_id}/messages")
HELD = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
KEY = "amk_for-schemathesis-only"
# What the examples of the description name.
THERE = (
    ("/agents", {"agent_id": "researcher", "policy": {"name": "p"}}),
    ("/register", {"agent_id": "newcomer", "chat_port": 1}),
    ("/mcp_servers", {"name": "search", "url": "http://127.0.0.1:1/mcp"}),
    ("/llms", {"name": "lama", "url": "http://127.0.0.1:1", "dialect": "ollama"}),
    ("/auth/users", {"name": "ann", "role": "viewer", "password": "correct horse battery"}),
)
Ask = Callable[[Case], httpx.Response]
QUIET = settings(suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def walked(
    shared_valkey: EmbeddedValkey,
    migrated_sqlite: Path,
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[..., Any],
) -> Iterator[tuple[asyncio.Runner, httpx.AsyncClient]]:
    """One control plane for all, with the loop that it runs in."""
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('walked') / 'a.db')}"
    with asyncio.Runner() as runner:
        control = _control(shared_valkey.url, url, serve)
        yield runner, runner.run(anext(control))
        runner.run(anext(control, None))


async def _control(
    store_url: str, history_url: str, serve: Callable[..., Any]
) -> AsyncIterator[httpx.AsyncClient]:
    store = await open_store(store_url, timeout=PATIENCE_S)
    history = await open_history(history_url)
    await store.client.flushall()
    await ensure_admin_key(history, KEY)
    config = ControlConfig(
        turn_key=b"k" * 32,
        ca_pem=b"-----BEGIN CERTIFICATE-----\n",
        registration=RegistrationMode.OPEN,
        store_timeout=PATIENCE_S,
    )
    async with serve(config, store, history, lambda: 1_900_000_000_000) as control:
        yield control.client
    await history.close()
    await store.close()


@pytest.fixture
def ask(request: pytest.FixtureRequest, walked: tuple[asyncio.Runner, httpx.AsyncClient]) -> Ask:
    """Sends a case as admin: the tests of schemathesis are no coroutines."""
    runner, client = walked
    client.headers["Authorization"] = f"Bearer {KEY}"
    # Another operation may have deleted what this one names.
    for path, body in THERE if "{" in request.node.name else ():
        made = runner.run(client.post(path, json=body))
        assert made.status_code in (200, 201, 409), made.text

    def send(case: Case) -> httpx.Response:
        given = requests.Request(**case.as_transport_kwargs()).prepare()
        headers = {**given.headers, **client.headers}
        return runner.run(
            client.request(given.method, given.url, headers=headers, content=given.body)
        )

    return send


@SCHEMA.exclude(**POLICY).parametrize()
@settings(QUIET, phases=[Phase.explicit])  # examples and corners; test_walk.py fuzzes
def test_any_input_is_answered_as_described(case: Case, ask: Ask) -> None:
    _holds(case, ask(case))


@SCHEMA.include(**POLICY).parametrize()
@settings(QUIET, phases=[Phase.generate], max_examples=5)
def test_so_is_any_policy(case: Case, ask: Ask) -> None:
    _holds(case, ask(case))


def _holds(case: Case, answer: httpx.Response) -> None:
    if case.operation.label not in GATEWAYS or answer.status_code != 502:
        assert answer.status_code < 500, answer.text
    case.validate_response(answer, checks=HELD)
