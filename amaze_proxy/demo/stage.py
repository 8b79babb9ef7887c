"""The demo's processes: the mock provider here, MCP server and agents beside the platform."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from amaze_proxy import launch
from amaze_proxy.demo import cast, provider
from amaze_proxy.demo.interpreter import Interpreter
from amaze_proxy.setting_values import Upstream
from amaze_proxy.settings import Settings
from amaze_proxy.supervisor import Spec, Supervisor
from amaze_proxy.wire.ca import load_or_create_ca
from amaze_proxy.wire.leaves import LeafCache

_HOST = "api.openai.com"
_AGENTS = Path(__file__).parent / "agents"
_READY_WITHIN_S = 90.0  # their packages take long to import on a busy machine


def demo_settings(settings: Settings) -> Settings:
    """The settings with a data directory of the demo's own: it never touches real data."""
    return replace(settings, data_dir=settings.data_dir / "demo", redis_url="", database_url="")


@asynccontextmanager
async def mock_provider(settings: Settings) -> AsyncIterator[Settings]:
    """The mock provider, running; yields the settings that point the real host to it."""
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
        yield replace(settings, upstreams={_HOST: place}, upstream_ca=directory / "ca.pem")
    finally:
        server.should_exit = True
        await serving
        sock.close()


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Stage:
    """Starts what is governed, each in the environment that it would have in the field."""

    supervisor: Supervisor
    settings: Settings
    interpreter: Interpreter

    async def start_library(self, enroll_key: str) -> None:
        """The MCP server, which registers itself; "": without an enrolment key."""
        own = {"AMAZE_ORCHESTRATOR_URL": self.settings.control_url}
        if enroll_key:
            own["AMAZE_ENROLL_KEY"] = enroll_key
        plain = {name: text for name, text in os.environ.items() if not name.startswith("AMAZE_")}
        port = free_port()
        await self._start("library", [str(port)], plain | own, f"http://127.0.0.1:{port}/health")

    async def start_researcher(self, credential: str) -> None:
        """The agent with the SDK, serving its chat."""
        port = free_port()
        own = {
            "AMAZE_CREDENTIAL": credential,
            "AMAZE_ORCHESTRATOR_URL": self.settings.control_url,
            "AMAZE_PROXY_URL": self.settings.proxy_url,
            "AMAZE_STATE_DIR": str(self.settings.data_dir / "sdk"),
            "AMAZE_CHAT_HOST": "127.0.0.1",
            "AMAZE_CHAT_PORT": str(port),
        }
        env = self._governed(cast.RESEARCHER, credential) | own
        await self._start("research", [], env, f"http://127.0.0.1:{port}/health")

    async def start_writer(self, credential: str) -> int:
        """The agent without the SDK; returns the port where it takes A2A calls."""
        port = free_port()
        env = self._governed(cast.WRITER, credential)
        card = f"http://127.0.0.1:{port}/.well-known/agent-card.json"
        await self._start("writer", [str(port)], env, card)
        return port

    def _governed(self, agent_id: str, credential: str) -> dict[str, str]:
        """What `amaze run` would give this agent's process."""
        ca_pem = (self.settings.data_dir / "ca" / "ca.pem").read_bytes()
        trust = launch.write_trust(self.settings.data_dir / "trust", ca_pem, None)
        return launch.child_environment(
            os.environ,
            proxy_url=self.settings.proxy_url,
            agent_id=agent_id,
            credential=credential,
            ca_pem=trust.ca,
            bundle=trust.bundle,
            truststore=trust.truststore,
        )

    async def _start(
        self, script: str, args: list[str], env: Mapping[str, str], ready_url: str
    ) -> None:
        # Their packages warn of each other; that is not for whoever watches the demo.
        argv = [self.interpreter.python, "-W", "ignore", str(_AGENTS / f"{script}.py"), *args]
        path = {"PYTHONPATH": self.interpreter.path} if self.interpreter.path else {}
        await self.supervisor.start(
            Spec(script, argv, {**env, **path}, ready_url, ready_within_s=_READY_WITHIN_S)
        )
