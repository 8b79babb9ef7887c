"""The proxy process: a master that holds the sockets, and workers that serve one each.

The master never serves: a worker that dies is started again on its own socket, whose connections
wait meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version

import uvloop

from amaze_proxy import installation, logs, meters, otlp
from amaze_proxy.egress import own_listeners, trust
from amaze_proxy.pipeline.app import Endpoint, create_app
from amaze_proxy.pipeline.directory import Directory
from amaze_proxy.pipeline.gatekeeper import Gatekeeper
from amaze_proxy.pipeline.inflight import InFlight
from amaze_proxy.pipeline.line import Line, Meters, Rules
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.protocols.prices import Price, PriceBook
from amaze_proxy.scrapers import Scrapers
from amaze_proxy.settings import Settings, load
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.presence import Presence
from amaze_proxy.store.store import Store, open_store
from amaze_proxy.supervisor import Spec, Supervisor, python, until_signal
from amaze_proxy.telemetry import open_spans
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ca import load_or_create_ca
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.server import ProxyServer
from amaze_proxy.wire.upstream import Upstreams

log = logging.getLogger("amaze.proxy")
# Whoever runs us kills us after 9 s: what is cut off by then must have been recorded before.
_STOP_S = 8.0
_DRAIN_S = 5.0


def rules_of(settings: Settings) -> Rules:
    """The pipeline's rules, from the settings."""
    return Rules(
        turn_key=installation.turn_key(settings),
        places={
            name: Authority(place.scheme, place.host, place.port)
            for name, place in settings.upstreams.items()
        },
        plain_denials=settings.deny_style == "http",
        audit_body_max=settings.audit_body_max,
        request_body_max=settings.request_body_max,
    )


def listen(settings: Settings, count: int) -> list[socket.socket]:
    """One listening socket for each worker, on the proxy port. Raises SettingsError."""
    # Without SO_REUSEPORT first: with it, a second platform would silently share the port.
    installation.listening_socket(settings, "proxy").close()
    sockets = []
    for _ in range(count):
        sock = installation.listening_socket(settings, "proxy", reuse_port=True)
        sock.listen(1024)
        sockets.append(sock)
    return sockets


async def master(settings: Settings, redis_url: str) -> None:
    """Run the workers until SIGTERM."""
    load_or_create_ca(settings.data_dir / "ca")  # fail here, once, and not in each worker
    installation.turn_key(settings)
    trust(settings)
    otlp.read(settings.otel)
    count = settings.proxy_workers or len(os.sched_getaffinity(0))
    sockets = listen(settings, count)
    _clean_metrics(settings)
    supervisor = Supervisor(_STOP_S, together=True)
    env = {**os.environ, **logs.as_environment(settings), "AMAZE_REDIS_URL": redis_url}
    try:
        for number, sock in enumerate(sockets):
            os.set_inheritable(sock.fileno(), True)
            argv = python("amaze_proxy.proxy", str(sock.fileno()), str(number))
            await supervisor.start(Spec(f"worker {number}", argv, env, pass_fds=[sock.fileno()]))
        await until_signal()
    finally:
        await supervisor.stop()
        for sock in sockets:
            sock.close()


def _clean_metrics(settings: Settings) -> None:
    try:
        meters.clean(meters.directory(settings.data_dir))
    except OSError as error:
        log.warning("there will be no metrics: %s", error)


def _open_meters(settings: Settings, place: str) -> Meters:
    try:
        return meters.open_meters(meters.directory(settings.data_dir), place)
    except OSError as error:  # nothing is refused for want of numbers
        log.warning("this worker does not count: %s", error)
        return Meters()


async def worker(settings: Settings, sock: socket.socket, place: str) -> None:
    """Serve one socket until SIGTERM, then drain. `place`: which of the workers this is."""
    ca = load_or_create_ca(settings.data_dir / "ca")
    instance = secrets.token_hex(8)
    store = await open_store(
        settings.redis_url,
        settings.data_dir / "journal",
        instance,
        settings.store_timeout_ms / 1000,
    )
    spans = open_spans(otlp.read(settings.otel), instance)
    prices = PriceBook({name: Price(*one) for name, one in settings.prices.items()})
    via = f"amaze-{instance}"
    upstreams = Upstreams(tls=trust(settings), forbidden=own_listeners(settings), via=via)
    rules = rules_of(settings)
    line = Line(
        gate=store.gate,
        policies=PolicyCache(store.policies),
        prices=prices,
        upstreams=upstreams,
        rules=rules,
        in_flight=InFlight(),
        directory=Directory(store.registry),
        peers=store.peers,
        seal=Seal(rules.turn_key),
        spans=spans,
        meters=_open_meters(settings, place),
    )
    presence = Presence(store.open_calls, instance, settings.data_dir / "journal")
    server = ProxyServer(
        create_app(line, lambda: _healthy(store), metrics=_metrics(settings)),
        Gatekeeper(line),
        LeafCache(ca),
        Limits(drain_s=_DRAIN_S),
        via=via,
    )
    await line.directory.refresh()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_warm(prices))
        watching = [
            tasks.create_task(line.in_flight.watch(_stopped(store))),
            tasks.create_task(line.directory.watch()),
            tasks.create_task(presence.run()),
        ]
        if isinstance(line.meters, meters.WorkerMeters):
            reading = partial(_reading, store, line, server)
            watching.append(tasks.create_task(line.meters.watch(reading)))
        serving = tasks.create_task(server.serve(sock))
        await until_signal()
        await server.drain()
        line.in_flight.close()
        line.directory.close()
        presence.stop()
        for task in watching:
            task.cancel()
        await serving
    await upstreams.aclose()
    await store.close()
    presence.close()
    await asyncio.to_thread(spans.close)


async def _warm(prices: PriceBook) -> None:
    await asyncio.to_thread(prices.warm)
    # What is here now stays: the collector need not walk it again and again. Calls make no cycles
    # to speak of, so it need not run often either.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _metrics(settings: Settings) -> Endpoint:
    where = meters.directory(settings.data_dir)
    return meters.endpoint(where, version("amaze-control-plane"), Scrapers(settings.metrics_key))


def _reading(store: Store, line: Line, server: ProxyServer) -> meters.Reading:
    return meters.Reading(
        calls_in_flight=line.in_flight.running,
        connections=server.connections,
        journal_bytes=store.gate.journal_bytes,
        store_errors_total=store.gate.errors,
        spans_exported_total=line.spans.exported,
        spans_dropped_total=line.spans.dropped,
        unrecorded_calls_total=line.strangers.unrecorded,
    )


async def _healthy(store: Store) -> bool:
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


def _stopped(store: Store) -> Callable[[str], Awaitable[bool]]:
    async def stopped(agent_id: str) -> bool:
        try:
            agent = await store.agents.get(agent_id)
        except StoreUnavailable:
            return False  # what runs was admitted; the next call is refused
        # None: it was deleted, or the store was emptied; either way nobody vouches for it now.
        return agent is None or agent.status in (AgentStatus.QUARANTINED, AgentStatus.REJECTED)

    return stopped


def main() -> None:
    """`python -m amaze_proxy.proxy FD PLACE`: one worker on an inherited socket."""
    installation.die_with_parent()
    settings = load(os.environ).settings
    logs.configure(settings, "proxy")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with contextlib.closing(socket.socket(fileno=int(sys.argv[1]))) as sock:
        uvloop.run(worker(settings, sock, sys.argv[2]))


if __name__ == "__main__":
    main()
