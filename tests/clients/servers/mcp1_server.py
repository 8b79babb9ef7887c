"""The server of the official MCP SDK 1.x: streamable HTTP at /mcp, or HTTP+SSE at /sse."""

from __future__ import annotations

import tools
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import SamplingMessage, TextContent
from serving import options, serve

parser = options()
parser.add_argument("--json", action="store_true", help="answers as JSON, not as SSE")
parser.add_argument("--stateless", action="store_true")
parser.add_argument("--sse", action="store_true", help="the transport of 2024-11-05")
args = parser.parse_args()
server = FastMCP(
    "mcp1",
    log_level="WARNING",
    json_response=args.json,
    stateless_http=args.stateless,
    # the tests reach it under names of their own
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)
for tool in tools.PLAIN:
    server.tool()(tool)
server.resource(tools.NOTE)(tools.note)
server.prompt()(tools.greet)


@server.tool()
async def ask(ctx: Context) -> str:
    """Asks the client's model."""
    content = TextContent(type="text", text=tools.QUESTION)
    message = SamplingMessage(role="user", content=content)
    return await tools.sampled(ctx.session, message, related_request_id=ctx.request_id)


@server.tool()
async def elicit(ctx: Context) -> str:
    """Asks the client's user."""
    return await tools.elicited(ctx.session, related_request_id=ctx.request_id)


serve(args, lambda _: server.sse_app() if args.sse else server.streamable_http_app())
