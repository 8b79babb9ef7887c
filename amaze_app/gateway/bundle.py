"""All desks, opened as one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict

from amaze_app.gateway.agents import AgentDesk
from amaze_app.gateway.audit import AuditDesk
from amaze_app.gateway.drafts import DraftDesk
from amaze_app.gateway.health import HealthDesk
from amaze_app.gateway.keys import KeyDesk
from amaze_app.gateway.llms import LlmDesk
from amaze_app.gateway.people import SessionDesk, UserDesk
from amaze_app.gateway.policies import PolicyDesk
from amaze_app.gateway.refusals import told
from amaze_app.gateway.servers import McpDesk
from amaze_app.gateway.traces import AlertDesk, StatisticsDesk, TraceDesk
from amaze_proxy.control.console import Console, open_console
from amaze_proxy.controller import control_config, database_url, way_out
from amaze_proxy.settings import Settings


class Gateway:
    """A desk for each subject."""

    def __init__(self, console: Console, settings: Settings) -> None:
        services = console.services
        self._console = console
        self.settings = settings
        self.agents = AgentDesk(services)
        self.policies = PolicyDesk(services)
        self.drafts = DraftDesk(services)
        self.traces = TraceDesk(services)
        self.alerts = AlertDesk(services)
        self.statistics = StatisticsDesk(services)
        self.mcp = McpDesk(services)
        self.llms = LlmDesk(services)
        self.sessions = SessionDesk(services)
        self.users = UserDesk(services)
        self.keys = KeyDesk(services)
        self.audit = AuditDesk(services)
        self.health = HealthDesk(services, settings)

    async def marks(self) -> Mapping[str, str]:
        """What has changed lately: a text for each topic (see `pulse`). Raises Outage."""
        with told():
            return asdict(await self._console.marks())

    async def standstill(self) -> str:
        """Why no call passes, or none shows up here ("": they do). Raises Outage."""
        return await self.health.standstill()


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """The gateway over the store and the database of `settings`. Raises Outage."""
    config = control_config(settings, ca_pem=b"")  # the UI hands out no certificate
    journal = settings.data_dir / "journal"
    with told():
        async with open_console(
            config, settings.redis_url, database_url(settings), journal, way_out(settings)
        ) as console:
            yield Gateway(console, settings)
