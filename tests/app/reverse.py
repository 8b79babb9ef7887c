"""A TLS reverse proxy, as one stands before the UI in a company: another name, another scheme."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trustme

NAME = "ui.amaze.example"
ADDRESS = "127.0.0.2"
"""From where it speaks to the UI: every loopback address of Linux is ours, and it needs one that
no client has."""

_HEAD_MAX = 65_536
_OWN = (b"connection:", b"x-forwarded-")


class ReverseProxy:
    """Passes on each request by a connection of its own, and what has been upgraded as it is."""

    def __init__(self, to_port: int, tls: ssl.SSLContext) -> None:
        self._to_port = to_port
        self._tls = tls
        self.port = 0

    async def serve(self) -> asyncio.Server:
        """Listens on a free port."""
        server = await asyncio.start_server(self._client, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError, ssl.SSLError):
            head = await reader.readuntil(b"\r\n\r\n")
            client = writer.get_extra_info("peername")[0]
            inner, outer = await asyncio.open_connection(
                "127.0.0.1", self._to_port, local_addr=(ADDRESS, 0), limit=_HEAD_MAX
            )
            try:
                outer.write(self._passed_on(head, client))
                await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
            finally:
                outer.close()
        writer.close()

    def _passed_on(self, head: bytes, client: str) -> bytes:
        """With what it knows better than the client, who may have said something else; nginx
        and others add the client's address behind what is there."""
        line, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        named = {name.strip().lower(): value.strip() for name, _, value in _parts(headers)}
        kept = [one for one in headers if not one.lower().startswith(_OWN)]
        upgrade = b"Upgrade" if b"upgrade" in named else b"close"
        hops = [one for one in (named.get(b"x-forwarded-for"), client.encode()) if one]
        kept += [
            b"Connection: " + upgrade,
            b"X-Forwarded-For: " + b", ".join(hops),
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: " + named[b"host"],
        ]
        own = f"Host: 127.0.0.1:{self._to_port}".encode()
        kept = [own if one.lower().startswith(b"host:") else one for one in kept]
        return b"\r\n".join([line, *kept]) + b"\r\n\r\n"


def _parts(headers: list[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (one.partition(b":") for one in headers)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes, and the end of it."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:  # TLS has no half of an end
        writer.close()


@contextmanager
def reverse_proxy(to_port: int) -> Iterator[ReverseProxy]:
    """One that runs, in a thread."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(NAME).configure_cert(tls)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    made = ReverseProxy(to_port, tls)

    async def run() -> None:
        async with await made.serve() as server:
            ready.set()
            await server.serve_forever()

    serving = loop.create_task(run())

    def thread() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.run_until_complete(_ended(loop))
        loop.close()

    runs = threading.Thread(target=thread)
    runs.start()
    ready.wait()
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        runs.join()


async def _ended(loop: asyncio.AbstractEventLoop) -> None:
    """Whoever is still connected is cut off."""
    tasks = [one for one in asyncio.all_tasks(loop) if one is not asyncio.current_task()]
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
