"""What an MCP server is and has, asked by the official client: every revision, both transports."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from amaze_proxy.control.errors import ProbeFailed
from amaze_proxy.control.reach import Reach, Transport

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class FoundTool:
    """A tool as the server lists it; `sha256` its fingerprint."""

    name: str
    sha256: str
    title: str | None
    description: str | None
    input_schema: object
    output_schema: object
    annotations: object


@dataclass(frozen=True, slots=True)
class Found:
    """A server: what it says of itself, and what it has. `prompts`, `resources`: how many it
    lists."""

    server: Mapping[str, Any] | None
    revision: str
    transport: str
    capabilities: Mapping[str, Any]
    tools: tuple[FoundTool, ...]
    prompts: int
    resources: int

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 by the tool's name."""
        return {tool.name: tool.sha256 for tool in self.tools}

    def told(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


class Prober:
    """Asks servers."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def probe(self, url: str, seconds: float = SECONDS) -> Found:
        """Raises ProbeFailed with what to do."""
        client = await _mcp_client()
        transport = Transport(self._reach)
        try:
            async with asyncio.timeout(seconds):
                return await _ask(client, url, transport)
        except TimeoutError:
            raise ProbeFailed(
                f"the server did not answer within {seconds:g} s: check that it is up and that "
                f"{url} is its MCP endpoint"
            ) from None
        finally:
            await transport.aclose()


async def _mcp_client() -> ModuleType:
    """`mcp_client`, imported at the first probe: that takes seconds, and most starts need none."""
    return await asyncio.to_thread(importlib.import_module, "amaze_proxy.control.mcp_client")


async def _ask(client: ModuleType, url: str, transport: Transport) -> Found:
    """By the present transport, else by that of 2024-11-05, which begins with a GET."""
    first: ProbeFailed | None = None
    for name, connected in (("http", client.by_http), ("sse", client.by_sse)):
        try:
            async with connected(url, transport) as connection:
                found: Found = await client.found(connection, name)
                return found
        except ProbeFailed as error:
            raise error from None
        except Exception as error:  # noqa: BLE001 (whatever a client makes of a strange server)
            failed = ProbeFailed(transport.fault or _words(error, url))
            first = first or failed
            if transport.fault:
                break
    raise first or ProbeFailed(f"{url} answers nothing")


def _words(error: BaseException, url: str) -> str:
    """What a client's exception means; a group of them is told by its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ProbeFailed):
        return str(error)
    what = " ".join(str(error).split())[:200] or type(error).__name__
    return f"{url} does not answer as an MCP server does ({what}): check the URL's path"
