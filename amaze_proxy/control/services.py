"""The domain modules, wired: what every route and the UI reach the platform through."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from amaze_proxy.control.access_keys import AccessKeys
from amaze_proxy.control.acts import Acts
from amaze_proxy.control.agents import Agents
from amaze_proxy.control.archiver import Archiver
from amaze_proxy.control.clock import Clock, now_ms
from amaze_proxy.control.config import ControlConfig
from amaze_proxy.control.drafts import Drafts
from amaze_proxy.control.emptied import told_by
from amaze_proxy.control.export import Exporter
from amaze_proxy.control.health import Health
from amaze_proxy.control.integrity import Integrity
from amaze_proxy.control.live import Live
from amaze_proxy.control.mcp_tools import ToolPins
from amaze_proxy.control.messages import Messages
from amaze_proxy.control.meters import ControlMeters
from amaze_proxy.control.passwords import Passwords
from amaze_proxy.control.people import People
from amaze_proxy.control.policies import Policies
from amaze_proxy.control.probe import Prober
from amaze_proxy.control.publisher import Publisher
from amaze_proxy.control.reach import NOWHERE, Reach
from amaze_proxy.control.reconciler import Reconciler
from amaze_proxy.control.registration import Registration
from amaze_proxy.control.registry import LlmHosts, McpServers
from amaze_proxy.control.registry_publisher import RegistryPublisher
from amaze_proxy.control.sessions import Sessions
from amaze_proxy.control.signing import Signer
from amaze_proxy.control.simulate import Simulations
from amaze_proxy.control.sweeper import Sweeper
from amaze_proxy.control.traces import Traces
from amaze_proxy.control.turns import Turns
from amaze_proxy.control.upkeep import Retention, Upkeep
from amaze_proxy.history.bundle import History
from amaze_proxy.store.presence import Watcher
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
    tool_pins: ToolPins
    llms: LlmHosts
    policies: Policies
    drafts: Drafts
    simulations: Simulations
    turns: Turns
    messages: Messages
    traces: Traces
    health: Health
    reconciler: Reconciler
    people: People
    sessions: Sessions
    access_keys: AccessKeys
    acts: Acts
    archiver: Archiver
    sweeper: Sweeper
    signer: Signer
    integrity: Integrity
    exporter: Exporter
    live: Live
    meters: ControlMeters


def wire(
    config: ControlConfig,
    store: Store,
    history: History,
    client: httpx.AsyncClient,
    clock: Clock = now_ms,
    reach: Reach = NOWHERE,
) -> Services:
    """The services over an opened store and history; `client` speaks to the agents, and MCP
    servers are probed by `reach`."""
    publisher = Publisher(history, store, clock)
    entries = RegistryPublisher(history, store)
    # Servers first: before an agent can call, it is known what is a server's address.
    publishers = (entries, publisher)
    reconciler = Reconciler(
        publishers, config.reconcile_every, config.republish_every, told_by(store.gate, clock)
    )
    signer = Signer(config.audit_key)
    upkeep = Upkeep(history, signer, clock, Retention(config.retention_days))
    archiver = Archiver(history, store, clock, config.reconcile_every, upkeep=upkeep)
    sweeper = Sweeper(history, store, Watcher(config.journal_dir), config.sweep_every)
    sessions = Sessions(history, clock)
    servers = McpServers(config, history, entries, clock)
    turns = Turns(config.turn_key, history, store, clock)
    return Services(
        config=config,
        clock=clock,
        history=history,
        agents=Agents(history, store, publisher, clock),
        registration=Registration(config, history, publisher, clock),
        mcp_servers=servers,
        tool_pins=ToolPins(servers, history, store, Prober(reach), clock),
        llms=LlmHosts(history, entries, clock),
        policies=Policies(history, store, publisher, clock),
        drafts=Drafts(history, clock),
        simulations=Simulations(history, config.prices, clock),
        turns=turns,
        messages=Messages(turns, store, client),
        traces=Traces(history, clock),
        health=Health(history, store, publishers, archiver, reconciler, sweeper),
        reconciler=reconciler,
        people=People(history, sessions, clock, Passwords()),
        sessions=sessions,
        access_keys=AccessKeys(history, clock),
        acts=Acts(store.gate, clock),
        archiver=archiver,
        sweeper=sweeper,
        signer=signer,
        integrity=Integrity(history, store, signer.public_key),
        exporter=Exporter(history, signer, clock),
        live=Live(store.series, clock),
        meters=ControlMeters(config.version),
    )
