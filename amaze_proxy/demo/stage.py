"""The demo itself: start all, play the scenes, show each call as it was decided."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from amaze_proxy import launch
from amaze_proxy.demo import cast, provider
from amaze_proxy.settings import Settings, Upstream
from amaze_proxy.supervisor import Spec, Supervisor
from amaze_proxy.wire.ca import load_or_create_ca
from amaze_proxy.wire.leaves import LeafCache

_HOSTS = ("api.openai.com", "api.anthropic.com")
_AGENTS = Path(__file__).parent / "agents"


def demo_settings(settings: Settings) -> Settings:
    """The settings with a data directory of the demo's own: it never touches real data."""
    return replace(settings, data_dir=settings.data_dir / "demo", redis_url="", database_url="")


@asynccontextmanager
async def mock_provider(settings: Settings) -> AsyncIterator[Settings]:
    """The mock provider, running; yields the settings that point the real hosts to it."""
    directory = settings.data_dir / "provider"
    ca = load_or_create_ca(directory)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        provider.create_app(), http="h11", ws="none", lifespan="off", log_config=None
    )
    config.load()
    config.ssl = provider.tls_context(LeafCache(ca))
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve(sockets=[sock]))
    place = Upstream("https", "127.0.0.1", sock.getsockname()[1])
    try:
        yield replace(
            settings,
            upstreams=dict.fromkeys(_HOSTS, place),
            upstream_ca=directory / "ca.pem",
        )
    finally:
        server.should_exit = True
        await serving
        sock.close()


@dataclass(frozen=True, slots=True)
class Operator:
    """Talks to the control API as the demo's operator."""

    settings: Settings
    key: str

    async def call(self, method: str, path: str, **kwargs: Any) -> Any:
        async with httpx.AsyncClient(
            base_url=self.settings.control_url, trust_env=False, timeout=30
        ) as client:
            headers = {"authorization": f"Bearer {self.key}"}
            answer = await client.request(method, path, headers=headers, **kwargs)
            answer.raise_for_status()
            return answer.json()

    async def hire(self, agent_id: str) -> str:
        """Create the agent with its policy, or give it a fresh credential; returns that."""
        policy = cast.POLICIES[agent_id]
        known = await self.call("GET", "/agents")
        if agent_id in {agent["agent_id"] for agent in known["agents"]}:
            await self.call("PUT", f"/policy/{agent_id}", json=policy)
            made = await self.call("POST", f"/agents/{agent_id}/rotate")
        else:
            body = {"agent_id": agent_id, "policy": policy, "owner": "demo"}
            made = await self.call("POST", "/agents", json=body)
        return str(made["credential"])

    async def records(self, agent_id: str) -> list[Mapping[str, Any]]:
        """The agent's audit records, oldest first."""
        answer = await self.call("GET", f"/agents/{agent_id}/audit", params={"limit": "100"})
        return sorted(answer, key=lambda record: int(record["ts"]))


def environment(settings: Settings, ca_pem: Path, agent_id: str, credential: str) -> dict[str, str]:
    """What `amaze run` would give this agent's process."""
    trust = launch.write_trust(settings.data_dir / "trust", ca_pem.read_bytes(), None)
    return launch.child_environment(
        os.environ,
        proxy_url=settings.proxy_url,
        agent_id=agent_id,
        credential=credential,
        ca_pem=trust.ca,
        bundle=trust.bundle,
        truststore=trust.truststore,
    )


async def start_researcher(
    supervisor: Supervisor, settings: Settings, env: Mapping[str, str], credential: str
) -> None:
    """The agent with the SDK, serving its chat."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        **env,
        "AMAZE_AGENT_ID": cast.RESEARCHER,
        "AMAZE_CREDENTIAL": credential,
        "AMAZE_ORCHESTRATOR_URL": settings.control_url,
        "AMAZE_PROXY_URL": settings.proxy_url,
        "AMAZE_STATE_DIR": str(settings.data_dir / "sdk"),
        "AMAZE_CHAT_HOST": "127.0.0.1",
        "AMAZE_CHAT_PORT": str(port),
    }
    argv = [sys.executable, str(_AGENTS / "research.py")]
    await supervisor.start(Spec("research-agent", argv, own, f"http://127.0.0.1:{port}/health"))


async def run_writer(env: Mapping[str, str]) -> None:
    """The agent without the SDK, to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_AGENTS / "writer.py"),
        env=dict(env),
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
