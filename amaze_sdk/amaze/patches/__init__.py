"""Small changes to HTTP libraries: requests that go through our proxy carry identity and turn.

Identity also travels as proxy credentials, so where a library cannot be patched only the turn is
missing, and its calls belong to the agent's ambient turn. Libraries are never imported here: one
that is loaded is patched at once, another when the agent imports it.

Clients that were made before `init` are brought under governance at their next request where the
library allows it: httpx (and all SDKs on it) and aiohttp. Code that opens sockets by itself, bare
`http.client` or urllib3 pools included, can only be held by the network: see the deployment guide
on egress rules.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from amaze.patches import aiohttp, httpclient, httpcore, threads
from amaze.patches.hook import patch_when_imported

_LIBRARIES: dict[str, Callable[[ModuleType], None]] = {
    "httpcore": httpcore.patch,
    "httpcore2": httpcore.patch,
    "aiohttp": aiohttp.patch,
}

_installed = False


def install() -> None:
    """Put all patches in place, once per process."""
    global _installed
    if _installed:
        return
    _installed = True
    httpclient.patch()
    threads.patch()
    patch_when_imported(_LIBRARIES)
