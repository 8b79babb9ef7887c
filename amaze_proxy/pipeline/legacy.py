"""Refusals on MCP's first transport (HTTP+SSE, 2024-11-05): see `seal`."""

from __future__ import annotations

from starlette.types import Scope

from amaze_proxy.pipeline.asked import post
from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.line import Line
from amaze_proxy.protocols.mcp import ping_instead
from amaze_proxy.wire.ingress import Answer

LONGEST = 2800  # bytes of a refusal that fit into an id


async def send_round(
    line: Line, scope: Scope, evidence: Evidence, call: Call, shaped: Answer
) -> Answer:
    """The refusal by way of the server, answered here with 202; as it is, where that fails."""
    if not shaped.body or len(shaped.body) > LONGEST:
        return shaped
    ping = ping_instead(line.seal.close(shaped.body))
    if not await post(line, scope, evidence, call, ping):
        return shaped
    kept = tuple(header for header in shaped.headers if header[0] != b"content-type")
    return Answer(202, "", kept, b"")
