"""The domain modules, wired: what every route and the UI reach the platform through."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from amaze_proxy.control.agents import Agents
from amaze_proxy.control.clock import Clock, now_ms
from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.health import Health
from amaze_proxy.control.messages import Messages
from amaze_proxy.control.policies import Policies
from amaze_proxy.control.publisher import Publisher
from amaze_proxy.control.reconciler import Reconciler
from amaze_proxy.control.registration import Registration
from amaze_proxy.control.registry import LlmHosts, McpServers
from amaze_proxy.control.registry_publisher import RegistryPublisher
from amaze_proxy.control.turns import Turns
from amaze_proxy.history.bundle import History
from amaze_proxy.store.store import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the administration point."""

    config: ControlConfig
    clock: Clock
    history: History
    agents: Agents
    registration: Registration
    mcp_servers: McpServers
    llms: LlmHosts
    policies: Policies
    turns: Turns
    messages: Messages
    health: Health
    reconciler: Reconciler


def wire(
    config: ControlConfig,
    store: Store,
    history: History,
    client: httpx.AsyncClient,
    clock: Clock = now_ms,
) -> Services:
    """The services over an opened store and history; `client` speaks to the agents."""
    publisher = Publisher(history, store, clock)
    entries = RegistryPublisher(history, store)
    publishers = (publisher, entries)
    turns = Turns(config.turn_key, history, store, clock)
    return Services(
        config=config,
        clock=clock,
        history=history,
        agents=Agents(history, store, publisher, clock),
        registration=Registration(config, history, publisher, clock),
        mcp_servers=McpServers(config, history, entries, clock),
        llms=LlmHosts(history, entries, clock),
        policies=Policies(history, store, publisher, clock),
        turns=turns,
        messages=Messages(turns, store, client),
        health=Health(history, store, publishers),
        reconciler=Reconciler(publishers, config.reconcile_every, config.republish_every),
    )
