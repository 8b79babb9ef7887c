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
import ssl
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import uvloop

from amaze_proxy import installation, logs
from amaze_proxy.pipeline.app import create_app
from amaze_proxy.pipeline.directory import Directory
from amaze_proxy.pipeline.gatekeeper import Gatekeeper
from amaze_proxy.pipeline.inflight import InFlight
from amaze_proxy.pipeline.line import Line, Rules
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.settings import Settings, SettingsError, load
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.store import Store, open_store
from amaze_proxy.supervisor import Spec, Supervisor, python, until_signal
from amaze_proxy.telemetry import open_spans
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ca import load_or_create_ca
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.server import ProxyServer
from amaze_proxy.wire.tls import upstream_context
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
    _trust(settings)
    count = settings.proxy_workers or len(os.sched_getaffinity(0))
    sockets = listen(settings, count)
    supervisor = Supervisor(_STOP_S, together=True)
    env = {**os.environ, **logs.as_environment(settings), "AMAZE_REDIS_URL": redis_url}
    try:
        for number, sock in enumerate(sockets):
            os.set_inheritable(sock.fileno(), True)
            argv = python("amaze_proxy.proxy", str(sock.fileno()))
            await supervisor.start(Spec(f"worker {number}", argv, env, pass_fds=[sock.fileno()]))
        await until_signal()
    finally:
        await supervisor.stop()
        for sock in sockets:
            sock.close()


async def worker(settings: Settings, sock: socket.socket) -> None:
    """Serve one socket until SIGTERM, then drain."""
    ca = load_or_create_ca(settings.data_dir / "ca")
    instance = secrets.token_hex(8)
    store = await open_store(settings.redis_url, settings.data_dir / "journal", instance)
    spans = open_spans(settings.otlp_endpoint, settings.otlp_protocol, instance)
    prices = PriceBook()
    via = f"amaze-{instance}"
    upstreams = Upstreams(tls=_trust(settings), forbidden=own_listeners(settings), via=via)
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
    )
    server = ProxyServer(
        create_app(line, lambda: _healthy(store)),
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
        ]
        serving = tasks.create_task(server.serve(sock))
        await until_signal()
        await server.drain()
        line.in_flight.close()
        line.directory.close()
        for task in watching:
            task.cancel()
        await serving
    await upstreams.aclose()
    await store.close()


async def _warm(prices: PriceBook) -> None:
    await asyncio.to_thread(prices.warm)
    # What is here now stays: the collector need not walk it again and again. Calls make no cycles
    # to speak of, so it need not run often either.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


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


def own_listeners(settings: Settings) -> list[tuple[str, int]]:
    """What no agent may reach through us: our own ports, and the store's."""
    ports = (settings.proxy_port, settings.control_port, settings.ui_port)
    found = [(settings.bind, port) for port in ports]
    store = urlsplit(settings.redis_url)
    if store.hostname:
        port = store.port or 6379
        try:
            known = socket.getaddrinfo(store.hostname, port, type=socket.SOCK_STREAM)
        except OSError:
            known = []  # not resolved now; the store's own connection will say so
        found += [(str(address[0]), port) for *_, address in known]
    return found


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return upstream_context(settings.upstream_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"AMAZE_UPSTREAM_CA {settings.upstream_ca} cannot be used ({error.strerror or error}): "
            "name a file of PEM certificates"
        ) from None


def main() -> None:
    """`python -m amaze_proxy.proxy FD`: one worker on an inherited socket."""
    installation.die_with_parent()
    settings = load(os.environ).settings
    logs.configure(settings, "proxy")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with contextlib.closing(socket.socket(fileno=int(sys.argv[1]))) as sock:
        uvloop.run(worker(settings, sock))


if __name__ == "__main__":
    main()
