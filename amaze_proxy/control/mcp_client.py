"""The official MCP client at a server that is probed. Its import takes seconds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import mcp_types
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import RootModel

from amaze_proxy.control.errors import ProbeFailed
from amaze_proxy.control.probe import Found, FoundTool
from amaze_proxy.control.reach import MOST_BYTES, Transport, client_of
from amaze_proxy.protocols.mcp import fingerprint

MOST_TOOLS = 1000
_MOST_PAGES = 100
_LONGEST_NAME = 128  # 2026-07-28 server/tools
_LISTS: Mapping[str, type[Any]] = {
    "tools": mcp_types.ListToolsRequest,
    "prompts": mcp_types.ListPromptsRequest,
    "resources": mcp_types.ListResourcesRequest,
}

# What the client says of a server that it cannot read is told by us.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)


class _Page(RootModel[dict[str, Any]]):
    """A page of a list as it came: no fingerprint hangs on what the client's models keep."""


@asynccontextmanager
async def by_http(url: str, transport: Transport) -> AsyncIterator[Client]:
    """Connected by streamable HTTP (2025-03-26 and later)."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_unclosed(transport))
        streams = streamable_http_client(url, http_client=http, max_sse_event_size=MOST_BYTES)
        yield await stack.enter_async_context(Client(streams, cache=None))


@asynccontextmanager
async def by_sse(url: str, transport: Transport) -> AsyncIterator[Client]:
    """Connected by HTTP+SSE (2024-11-05), which begins with a GET."""

    def made(
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        return client_of(transport)

    async with Client(
        sse_client(url, httpx_client_factory=made), cache=None, mode="legacy"
    ) as client:
        yield client


@asynccontextmanager
async def _unclosed(transport: Transport) -> AsyncIterator[httpx2.AsyncClient]:
    """The client; its transport is closed by who made it."""
    yield client_of(transport)


async def found(client: Client, transport: str) -> Found:
    """What the server says of itself and lists. Raises ProbeFailed, and whatever the client makes
    of a strange server."""
    capabilities = client.server_capabilities
    info = client.server_info
    listed = {
        key: await _listed(client, key)
        for key, has in (
            ("tools", capabilities.tools),
            ("prompts", capabilities.prompts),
            ("resources", capabilities.resources),
        )
        if has is not None
    }
    return Found(
        server=None if info is None else _plain(info),
        revision=client.protocol_version,
        transport=transport,
        capabilities=_plain(capabilities),
        tools=_tools(listed.get("tools", [])),
        prompts=len(listed.get("prompts", [])),
        resources=len(listed.get("resources", [])),
    )


def _plain(told: Any) -> dict[str, Any]:
    plain: dict[str, Any] = told.model_dump(mode="json", by_alias=True, exclude_none=True)
    return plain


async def _listed(client: Client, key: str) -> list[Any]:
    """All members of a list, as they came. Raises ProbeFailed."""
    found: list[Any] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        params = mcp_types.PaginatedRequestParams(cursor=cursor)
        page = (await client.session.send_request(_LISTS[key](params=params), _Page)).root
        found += page.get(key) or ()
        cursor = page.get("nextCursor")
        if len(found) > MOST_TOOLS:
            break
        if not cursor:
            return found
    raise ProbeFailed(f"the server lists more than {MOST_TOOLS} {key}, or does not end its list")


def _tools(listed: list[Any]) -> tuple[FoundTool, ...]:
    tools = tuple(_tool(one) for one in listed)
    names = {tool.name for tool in tools}
    if len(names) < len(tools):
        raise ProbeFailed("the server lists a tool twice: nobody knows which one would be called")
    return tools


def _tool(one: Any) -> FoundTool:
    name = one.get("name")
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
        raise ProbeFailed(
            f"the server lists a tool whose name is not 1 to {_LONGEST_NAME} printable characters"
        )
    return FoundTool(
        name=name,
        sha256=fingerprint(one),
        title=one.get("title"),
        description=one.get("description"),
        input_schema=one.get("inputSchema"),
        output_schema=one.get("outputSchema"),
        annotations=one.get("annotations"),
    )
