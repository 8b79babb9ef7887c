"""The agent's two servers: one for users, one for other agents."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

from amaze.registration import Endpoints
from amaze.server import AgentServer, App
from amaze.settings import Origin, Settings

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class Servers:
    """Bound when made, so that their ports can be registered; they serve after `start`.

    `a2a` None: other agents cannot send messages to this one.
    """

    endpoints: Endpoints
    chat: AgentServer
    a2a: AgentServer | None

    def start(self, chat: App, a2a: App) -> None:
        self.chat.start(chat)
        if self.a2a is not None:
            self.a2a.start(a2a)

    def close(self, grace: float) -> None:
        """Stop both, and give the messages being handled up to `grace` seconds in all."""
        deadline = time.monotonic() + grace
        servers = [self.chat, *([self.a2a] if self.a2a is not None else [])]
        for server in servers:
            server.stop()
        for server in servers:
            server.close(max(0.0, deadline - time.monotonic()))


def bind(settings: Settings, *, takes_agents: bool) -> Servers:
    """Bind the servers. `takes_agents`: the author wrote a function for agents' messages.

    Raises OSError if a port is taken or an address is not ours.
    """
    facing = _reachable_address(settings.orchestrator)
    chat_host = settings.chat_host or facing
    chat = AgentServer(chat_host, settings.chat_port, "amaze-chat")
    # An address for listening everywhere is none that anybody can connect to.
    chat_at = facing if chat_host in _EVERYWHERE else chat_host
    if not takes_agents and settings.a2a_port is None:
        return Servers(Endpoints(chat_at, chat.port), chat, None)
    a2a_host = settings.a2a_host or facing
    try:
        a2a = AgentServer(a2a_host, settings.a2a_port or 0, "amaze-a2a")
    except BaseException:
        chat.close()
        raise
    a2a_at = facing if a2a_host in _EVERYWHERE else a2a_host
    return Servers(Endpoints(chat_at, chat.port, a2a_at, a2a.port), chat, a2a)


def _reachable_address(origin: Origin) -> str:
    """Where the control plane can reach this agent: the address that faces it."""
    if origin.loopback:
        return "127.0.0.1"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            origin.host, origin.port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # UDP: chooses a route, sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"  # it cannot be resolved; registering will say so
