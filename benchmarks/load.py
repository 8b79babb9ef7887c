#!/usr/bin/env python3
"""Closed-loop load generator that speaks through a forward proxy.

http with --proxy: absolute-form. https with --proxy: CONNECT, TLS, then origin-form. Each of the
`-c` connections sends its next request when the last answer is complete; with --no-keepalive
every request has a connection of its own, whose cost is part of its latency.

Latency is measured from writing the request (without keep-alive: from opening the socket) to the
last byte of the body. Prints one JSON object; errors and statuses are counted, never retried.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from http_messages import Body
from processes import cpu_ms, rss_mb

clock = time.perf_counter


@dataclass(frozen=True)
class Plan:
    """What to send, where, and how: bytes that are the same for every request."""

    request: bytes
    host: str  # for TLS: SNI and verification
    destination: tuple[str, int]
    connect: bytes | None  # the CONNECT request, for https through a proxy
    tls: ssl.SSLContext | None
    connections: int
    keepalive: bool
    timeout: float


@dataclass
class Results:
    """What was measured; times in seconds."""

    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)  # to the first byte of a body
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    received: int = 0


class Connection(asyncio.Protocol):
    """One connection: `exchange` sends the request and waits for the whole answer."""

    def __init__(self) -> None:
        self._buffer = b""
        self._body: Body | None = None
        self._waiting: asyncio.Future[None] | None = None
        self.connecting = False
        self.status = 0
        self.refused = False  # by ours, maybe with status 200: clients of MCP and A2A read that
        self.closes = False
        self.first_byte = 0.0
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio.Transport, only alike.
        self.transport = cast(asyncio.Transport, transport)

    def exchange(self, request: bytes) -> asyncio.Future[None]:
        self._buffer, self._body, self.first_byte, self.received = b"", None, 0.0, 0
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._body is None:
            self._buffer += data
            head, end, data = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._head(head.lower() + b"\r\n")
        assert self._body is not None
        if data and not self.first_byte:
            self.first_byte = clock()
        self._body.feed(data)
        if self._body.done and self._waiting and not self._waiting.done():
            self._waiting.set_result(None)

    def _head(self, head: bytes) -> None:
        self.status = int(head[9:12])
        self.refused = b"\r\nx-amaze-decision: deny" in head
        self.closes = b"\r\nconnection: close" in head
        # An answer to CONNECT has no body, whatever it says (RFC 9110 §9.3.6).
        self._body = Body(b"" if self.connecting and self.status == 200 else head)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("closed in the middle of an answer"))


class Generator:
    """Runs a plan for a number of requests or seconds, whichever ends first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._left = 0
        self._stop = 0.0
        self.results = Results()

    async def run(self, requests: int, seconds: float) -> float:
        """Returns the seconds that it took; `results` are those of this run."""
        self.results = Results()
        self._left, begin = requests, clock()
        self._stop = begin + seconds
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._plan.connections):
                tasks.create_task(self._client())
        return clock() - begin

    def _take(self) -> bool:
        if self._left <= 0 or clock() > self._stop or self.results.errors.total() > 1000:
            return False
        self._left -= 1
        return True

    async def _client(self) -> None:
        connection: Connection | None = None
        while self._take():
            try:
                async with asyncio.timeout(self._plan.timeout):
                    connection = await self._request(connection)
            except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
                self.results.errors[f"{type(error).__name__}: {str(error)[:80]}"] += 1
                if connection is not None:
                    connection.transport.abort()
                connection = None
        if connection is not None:
            connection.transport.close()

    async def _request(self, connection: Connection | None) -> Connection | None:
        begin = clock()
        if connection is None:
            connection = await self._open()
            if self._plan.keepalive:
                begin = clock()
        await connection.exchange(self._plan.request)
        self._note(connection, begin, clock())
        if self._plan.keepalive and not connection.closes:
            return connection
        connection.transport.close()
        return None

    def _note(self, connection: Connection, begin: float, end: float) -> None:
        self.results.latencies.append(end - begin)
        self.results.first_bytes.append((connection.first_byte or end) - begin)
        told = "refused" if connection.refused else str(connection.status)
        self.results.statuses[told] += 1
        self.results.received += connection.received

    async def _open(self) -> Connection:
        plan, loop = self._plan, asyncio.get_running_loop()
        transport, connection = await loop.create_connection(Connection, *plan.destination)
        if plan.connect is not None:
            connection.connecting = True
            await connection.exchange(plan.connect)
            connection.connecting = False
            if connection.status != 200:
                transport.abort()
                raise ConnectionError(f"CONNECT was answered {connection.status}")
        if plan.tls is not None:
            secured = await loop.start_tls(
                transport, connection, plan.tls, server_hostname=plan.host
            )
            assert secured is not None
            connection.transport = secured
        return connection


def make_plan(arguments: argparse.Namespace) -> Plan:
    url = urlsplit(arguments.url)
    secure = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if secure else 80)
    authority = arguments.addr or f"{host}:{port}"
    through = arguments.proxy or f"http://{authority}"
    near = urlsplit(through)
    connect = None
    if arguments.proxy and secure:
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *arguments.proxy_header]
        connect = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    return Plan(
        request=_request_bytes(arguments, absolute=bool(arguments.proxy) and not secure),
        host=host,
        destination=(near.hostname or "", near.port or 80),
        connect=connect,
        tls=_tls(arguments.ca) if secure else None,
        connections=arguments.c,
        keepalive=arguments.keepalive,
        timeout=arguments.timeout,
    )


def _request_bytes(arguments: argparse.Namespace, *, absolute: bool) -> bytes:
    url = urlsplit(arguments.url)
    body = arguments.body_file.read_bytes() if arguments.body_file else arguments.body.encode()
    method = arguments.method or ("POST" if body else "GET")
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    target = f"http://{url.netloc}{path}" if absolute else path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {url.netloc}"]
    if not any(line.lower().startswith("accept:") for line in arguments.header):
        lines.append("Accept: */*")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if not arguments.keepalive:
        lines.append("Connection: close")
    lines += arguments.header + (arguments.proxy_header if absolute else [])
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1") + body


def _tls(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextmanager
def peak_memory(pids: Mapping[str, int]) -> Iterator[dict[str, float]]:
    """The highest RSS seen of each process while the block runs, in MB."""
    peaks = {name: rss_mb(pid) for name, pid in pids.items()}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            for name, pid in pids.items():
                peaks[name] = max(peaks[name], rss_mb(pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    yield peaks
    stop.set()
    watcher.join()


def summary(results: Results, seconds: float) -> dict[str, object]:
    """The numbers of one run; times in milliseconds."""
    latencies, count = sorted(results.latencies), len(results.latencies)
    return {
        "n": count,
        "seconds": round(seconds, 3),
        "rps": round(count / seconds, 1),
        "p50_ms": percentile(latencies, 0.5),
        "p95_ms": percentile(latencies, 0.95),
        "p99_ms": percentile(latencies, 0.99),
        "first_byte_p50_ms": percentile(sorted(results.first_bytes), 0.5),
        "statuses": dict(results.statuses),
        "errors": dict(results.errors),
        "received": results.received,
    }


def percentile(ordered: list[float], part: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000, 3)


async def measure(arguments: argparse.Namespace) -> dict[str, object]:
    generator = Generator(make_plan(arguments))
    pids = {name: int(pid) for name, _, pid in (item.partition("=") for item in arguments.pid)}
    if arguments.warmup:
        await generator.run(arguments.warmup, 60)
    before = {name: (cpu_ms(pid), rss_mb(pid)) for name, pid in pids.items()}
    with peak_memory(pids) as peaks:
        seconds = await generator.run(arguments.n, arguments.duration)
    found = summary(generator.results, seconds)
    count = max(1, len(generator.results.latencies))
    found["processes"] = {
        name: {
            "cpu_ms_per_request": round((cpu_ms(pid) - before[name][0]) / count, 4),
            "rss_mb_before": round(before[name][1], 1),
            "rss_mb_peak": round(max(peaks[name], rss_mb(pid)), 1),
            "rss_mb_after": round(rss_mb(pid), 1),
        }
        for name, pid in pids.items()
    }
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add: Callable[..., object] = parser.add_argument
    add("--url", required=True)
    add("--proxy", help="http://host:port")
    add("--addr", help="IP:PORT to dial or CONNECT to; Host and SNI stay the URL's")
    add("--ca", help="PEM of the CA to trust")
    add("-X", "--method", help="default: POST with a body, else GET")
    add("-H", "--header", action="append", default=[])
    add("--proxy-header", action="append", default=[], help="for the proxy alone")
    add("--body", default="")
    add("--body-file", type=Path)
    add("-c", type=int, default=1, help="connections")
    add("-n", type=int, default=10**9, help="requests")
    add("-d", "--duration", type=float, default=1e9, help="seconds")
    add("--warmup", type=int, default=0, help="requests before measuring")
    add("--keepalive", action=argparse.BooleanOptionalAction, default=True)
    add("--timeout", type=float, default=30.0, help="seconds for a request")
    add("--pid", action="append", default=[], metavar="NAME=PID", help="CPU and RSS of a server")
    arguments = parser.parse_args()
    if arguments.n == 10**9 and arguments.duration == 1e9:
        parser.error("say when to stop: -n or -d")
    return arguments


def main() -> None:
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    print(json.dumps(run(measure(parse_arguments()))))


if __name__ == "__main__":
    main()
