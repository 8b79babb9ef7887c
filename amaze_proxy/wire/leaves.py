"""TLS contexts for intercepted hosts, minted on demand and cached."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from amaze_proxy.wire.ca import LEAF_LIFETIME, CertificateAuthority
from amaze_proxy.wire.tls import server_context


class LeafSource(Protocol):
    """Where the server gets the certificate for an intercepted host."""

    def context_for(self, host: str) -> ssl.SSLContext:
        """A server context whose certificate is for `host`."""
        ...


class LeafCache:
    """Keeps the contexts of the hosts used last.

    Minting is synchronous and takes about a millisecond, so two tunnels to one new host cannot
    mint twice. A context is made anew after half of its leaf's life.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        *,
        size: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority = authority
        self._size = size
        self._clock = clock
        self._contexts: OrderedDict[str, tuple[ssl.SSLContext, float]] = OrderedDict()
        # The first mint of a process is slow (the libraries load their tables): not for a client.
        self._mint("localhost")

    def context_for(self, host: str) -> ssl.SSLContext:
        """The context for `host` (canonical, as in an Authority)."""
        known = self._contexts.get(host)
        if known is not None and self._clock() < known[1]:
            self._contexts.move_to_end(host)
            return known[0]
        context = self._mint(host)
        self._contexts[host] = context, self._clock() + LEAF_LIFETIME.total_seconds() / 2
        self._contexts.move_to_end(host)
        if len(self._contexts) > self._size:
            self._contexts.popitem(last=False)
        return context

    def _mint(self, host: str) -> ssl.SSLContext:
        chain, key = self._authority.leaf(host)
        context = server_context()
        with _private_file(chain + key) as path:
            context.load_cert_chain(path)
        return context


@contextlib.contextmanager
def _private_file(data: bytes) -> Iterator[str]:
    """A path that `data` can be read from: load_cert_chain reads files only."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        descriptor, name = tempfile.mkstemp()  # mode 0600
        try:
            os.write(descriptor, data)
            yield name
        finally:
            os.close(descriptor)
            Path(name).unlink()
