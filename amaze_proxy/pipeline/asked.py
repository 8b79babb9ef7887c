"""What an MCP server asked of the client and may not: it is told so, and it is recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from starlette.types import Scope

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.outgoing import forward_headers
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import CallKind
from amaze_proxy.protocols.mcp import Asked
from amaze_proxy.store.admission import Settlement
from amaze_proxy.wire.upstream import UpstreamError

log = logging.getLogger("amaze.proxy")
_TAKEN_S = 1.0  # how long the rest of an answer is waited for, to reuse its connection
_OF_THE_BODY = frozenset((b"content-type", b"content-encoding", b"content-length", b"accept"))


async def refuse_asked(
    line: Line, scope: Scope, within: Evidence, call: Call, asked: Sequence[Asked]
) -> None:
    """One record for each, in the turn of the call that the server answered; a request of its own
    is answered in the client's place, or it would wait for ever. Raises StoreUnavailable."""
    for one in asked:
        await _record(line, within, call, one)
        if one.reply:
            await post(line, scope, within, call, one.reply)


async def _record(line: Line, within: Evidence, call: Call, asked: Asked) -> None:
    evidence = Evidence(
        Capture(line.rules.audit_body_max),
        Capture(line.rules.audit_body_max),
        agent_id=within.agent_id,
        caller=call.entry,
        kind=CallKind.MCP,
        trace_id=within.trace_id,
        parent_span_id=within.span_id,
        turn_id=within.turn_id,
        session_id=within.session_id,
        target=call.target,
        method=asked.method[:256],
        path=within.path,
        status=200,
        policy_version=within.policy_version,
        denied=True,
        denial_reason=Reason.MCP_NOT_ALLOWED.value,
        error=asked.words[:500],
    )
    evidence.output.add(asked.reply or asked.words.encode())
    record = evidence.record()
    line.meters.ended(record)
    await line.gate.settle(Settlement(record.decision_id, record.agent_id, record, charged=False))
    line.spans.emit(record)


async def post(line: Line, scope: Scope, within: Evidence, call: Call, body: bytes) -> bool:
    """Send the server a message in the client's session; whether it took it."""
    if call.way is None:
        return False
    kept = [header for header in scope["headers"] if header[0] not in _OF_THE_BODY]
    headers = forward_headers(kept, within.trace_id, within.span_id, edited=False)
    headers.append((b"content-type", b"application/json"))
    headers.append((b"accept", b"application/json, text/event-stream"))
    target = line.rules.target(call.way.authority, within.agent_id, call.way.private)
    try:
        response = await line.upstreams.send(target, "POST", call.way.path, headers, body)
    except UpstreamError as error:
        log.warning("MCP server %s did not take a refusal: %s", call.entry, error)
        return False
    try:
        async with asyncio.timeout(_TAKEN_S):
            async for _ in response.chunks():
                pass
    except (UpstreamError, TimeoutError):
        pass  # it has taken it, and has nothing to say that anybody waits for
    finally:
        await response.aclose()
    return response.status < 300
