"""The server of the official MCP SDK 2.x at /mcp: the stateless 2026-07-28, and those before it."""

from __future__ import annotations

from typing import Annotated

import tools
from mcp.server import MCPServer
from mcp.server.mcpserver import Elicit, Resolve, Sample
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import BaseModel
from serving import executed, mcp_options, serve

args = mcp_options()
server = MCPServer("mcp2", log_level="WARNING")
for tool in tools.PLAIN:
    server.tool()(tool)
server.resource(tools.NOTE)(tools.note)
server.prompt()(tools.greet)


class Reply(BaseModel):
    """What the client's user is asked for."""

    answer: str


def _question() -> Sample:
    content = TextContent(type="text", text=tools.QUESTION)
    return Sample([SamplingMessage(role="user", content=content)], max_tokens=20)


def _form() -> Elicit[Reply]:
    return Elicit(tools.QUESTION, Reply)


@server.tool()
async def ask(said: Annotated[CreateMessageResult, Resolve(_question)]) -> str:
    """Asks the client's model: in 2026-07-28 by a result that requires input."""
    executed("ask")
    return str(getattr(said.content, "text", ""))


@server.tool()
async def elicit(reply: Annotated[Reply, Resolve(_form)]) -> str:
    """Asks the client's user: in 2026-07-28 by a result that requires input."""
    executed("elicit")
    return reply.answer


serve(
    args,
    lambda _: server.streamable_http_app(
        json_response=args.json,
        stateless_http=args.stateless,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    ),
)
