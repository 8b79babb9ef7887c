"""A real proxy server, its clients, and raw upstreams, all on loopback, with a throwaway CA."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from amaze_proxy.wire.asgi import ASGIApp
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ca import CertificateAuthority, load_or_create_ca
from amaze_proxy.wire.connection import ClientConnection
from amaze_proxy.wire.ingress import Answer, Fault
from amaze_proxy.wire.leaves import LeafCache
from amaze_proxy.wire.limits import Limits
from amaze_proxy.wire.server import ProxyServer
from tests.patience import PATIENCE

ON_BOTH_LOOPS = ("test_server", "test_connection", "test_upstream")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What touches transports runs on both loops: uvloop in production, asyncio elsewhere."""
    if item.path.stem in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return load_or_create_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def leaves(ca: CertificateAuthority) -> LeafCache:
    return LeafCache(ca)


@pytest.fixture(scope="session")
def strict_context(ca: CertificateAuthority) -> ssl.SSLContext:
    """A client context as Python >= 3.13 makes it by default, that trusts our CA alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.certificate_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.fixture(scope="session")
def ca_file(ca: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    path.write_bytes(ca.certificate_pem)
    return path


@dataclass
class Gate:
    """Records what the server asks; refuses a CONNECT when told to."""

    refuse: Answer | None = None
    connects: list[tuple[Authority, bytes | None]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    recorded: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(
        self, authority: Authority, proxy_authorization: bytes | None, peer: str
    ) -> Answer | None:
        self.connects.append((authority, proxy_authorization))
        return self.refuse

    async def fault(self, fault: Fault) -> Answer:
        self.faults.append(fault)
        self.recorded.set()
        return Answer(fault.status, "Refused", ((b"x-fault", fault.kind.encode()),), b"refused")

    async def one_fault(self) -> Fault:
        async with asyncio.timeout(PATIENCE):
            await self.recorded.wait()
        assert len(self.faults) == 1
        return self.faults[0]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    """A raw client: what is sent is exactly what the test says."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(PATIENCE):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").rstrip().split("\r\n")
        fields = (line.split(": ", 1) for line in lines)
        return int(first.split(" ")[1]), {f[0]: f[1] if len(f) > 1 else "" for f in fields}

    async def reply(self, *, body: bool = True) -> Reply:
        status, headers = await self.head()
        async with asyncio.timeout(PATIENCE):
            if not body:
                data = b""
            elif "content-length" in headers:
                data = await self.reader.readexactly(int(headers["content-length"]))
            elif headers.get("transfer-encoding") == "chunked":
                data = await self._chunks()
            else:
                data = await self.reader.read()
        return Reply(status, headers, data)

    async def _chunks(self) -> bytes:
        chunks = []
        while size := int((await self.reader.readuntil(b"\r\n")).strip(), 16):
            chunks.append((await self.reader.readexactly(size + 2))[:-2])
        await self.reader.readexactly(2)
        return b"".join(chunks)

    async def at_end(self) -> bytes:
        """What comes until the server ends the connection in order."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def ask(self, data: bytes) -> Reply:
        await self.send(data)
        return await self.reply()

    async def tls(self, context: ssl.SSLContext, name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.writer.start_tls(context, server_hostname=name)

    def vanish(self) -> None:
        self.writer.transport.abort()


@dataclass
class Proxy:
    server: ProxyServer
    gate: Gate
    port: int
    serving: asyncio.Task[None]
    clients: list[Client]

    async def client(self) -> Client:
        # rcvbuf of the reader is small, so that back-pressure is felt early
        streams = await asyncio.open_connection("127.0.0.1", self.port, limit=64 * 1024)
        client = Client(*streams)
        self.clients.append(client)
        return client

    async def inside(
        self, client: Client, ready: Callable[[ClientConnection], bool]
    ) -> ClientConnection:
        """The server's end of a client's connection, once it is as the test needs it."""
        name = client.writer.get_extra_info("sockname")
        async with asyncio.timeout(PATIENCE):
            while True:
                for connection in self.server._shared.connections:
                    if connection._client == name and ready(connection):
                        return connection
                await asyncio.sleep(0.001)

    def expire(self, connection: ClientConnection) -> None:
        """The time that it has for what it does now is over."""
        assert connection._deadline._when < math.inf
        connection._deadline.arm(0)

    async def tunnel(self, to: str = "api.example:443") -> Client:
        client = await self.client()
        await client.send(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n".encode())
        assert (await client.head())[0] == 200
        return client


StartProxy = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def start_proxy(leaves: LeafCache) -> AsyncIterator[StartProxy]:
    """Starts proxies for an app; ends them, with their clients, after the test."""
    proxies: list[Proxy] = []

    async def start(
        app: ASGIApp, limits: Limits | None = None, refuse: Answer | None = None
    ) -> Proxy:
        gate = Gate(refuse)
        server = ProxyServer(app, gate, leaves, limits)
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        serving = asyncio.create_task(server.serve(sock))
        proxies.append(Proxy(server, gate, port, serving, []))
        return proxies[-1]

    yield start
    for proxy in proxies:
        for client in proxy.clients:
            client.writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await client.writer.wait_closed()
        async with asyncio.timeout(PATIENCE):
            await proxy.server.drain()
            await proxy.serving


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
StartUpstream = Callable[..., Awaitable[Authority]]


@pytest.fixture
async def start_upstream(ca: CertificateAuthority) -> AsyncIterator[StartUpstream]:
    """Starts raw upstream servers: `handler(reader, writer)` for each connection."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[None]] = set()

    async def start(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Authority:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await handler(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                tasks.discard(task)
                writer.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()

        server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        return Authority("https" if tls else "http", "127.0.0.1", port)

    yield start
    for server in servers:
        server.close()
    for task in tuple(tasks):
        task.cancel()
    if tasks:
        await asyncio.wait(tuple(tasks), timeout=PATIENCE)
    for server in servers:
        await server.wait_closed()
