"""A forward proxy that governs nothing: what a difference is measured against."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from urllib.parse import urlsplit

_HEAD_END = b"\r\n\r\n"


class PlainProxy:
    """Relays CONNECT tunnels and absolute-form requests; `opened` counts the connections."""

    def __init__(self) -> None:
        self.opened = 0
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def serve(self) -> None:
        """Until `stop`; the port is known after `wait`."""
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    def wait(self) -> None:
        """Until it listens."""
        self._ready.wait()

    def stop(self) -> None:
        """Ends `serve`, from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(_HEAD_END)
            self.opened += 1
            method, target, rest = head.split(b" ", 2)
            if method == b"CONNECT":
                host, _, port = target.decode().rpartition(":")
                first, reply = b"", b"HTTP/1.1 200 OK\r\n\r\n"
            else:  # one request per connection: what comes next could be for another host
                url = urlsplit(target.decode())
                host, port = url.hostname or "", str(url.port or 80)
                path = target.split(b"/", 3)[3]
                rest = rest.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                first, reply = b"%b /%b %b" % (method, path, rest), b""
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
            with contextlib.closing(up_writer):
                up_writer.write(first)
                writer.write(reply)
                await _either(_copy(reader, up_writer), _copy(up_reader, writer))


async def _either(*ways: Coroutine[None, None, None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@contextlib.contextmanager
def plain_proxy() -> Iterator[PlainProxy]:
    """One that is serving, in a thread."""
    proxy = PlainProxy()
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    proxy.wait()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
