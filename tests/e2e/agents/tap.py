"""A relay between a client and the proxy that sees what the client sends before it goes on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Seen = Callable[[bytes], None]


class Tap:
    """`seen` is called with each piece that a client sends, and may change what it will meet."""

    def __init__(self, port: int, seen: Seen) -> None:
        self._target = port
        self._seen = seen
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                proxy = socket.create_connection(("127.0.0.1", self._target), 30)
                for one in (client, proxy):
                    one.settimeout(60)
                self._run(client, proxy, self._seen)
                self._run(proxy, client, lambda _: None)

    def _run(
        self, source: socket.socket, sink: socket.socket, seen: Callable[[bytes], None]
    ) -> None:
        thread = threading.Thread(target=_pipe, args=(source, sink, seen))
        self._threads.append(thread)
        thread.start()


def _pipe(source: socket.socket, sink: socket.socket, seen: Seen) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            seen(data)
            sink.sendall(data)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    source.close()  # the other thread closes the sink
