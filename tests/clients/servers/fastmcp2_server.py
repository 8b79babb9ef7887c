"""A server of fastmcp 2.x: streamable HTTP at /mcp."""

from __future__ import annotations

import tools
from fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent
from serving import mcp_options, serve

args = mcp_options()
server: FastMCP = FastMCP("fastmcp2")
for tool in tools.PLAIN:
    server.tool(tool)
server.resource(tools.NOTE)(tools.note)
server.prompt(tools.greet)


@server.tool
async def ask(ctx: Context) -> str:
    """Asks the client's model."""
    content = TextContent(type="text", text=tools.QUESTION)
    message = SamplingMessage(role="user", content=content)
    return await tools.sampled(ctx.session, message, related_request_id=ctx.request_id)


@server.tool
async def elicit(ctx: Context) -> str:
    """Asks the client's user."""
    return await tools.elicited(ctx.session, related_request_id=ctx.request_id)


serve(
    args,
    lambda _: server.http_app(path="/mcp", json_response=args.json, stateless_http=args.stateless),
)
