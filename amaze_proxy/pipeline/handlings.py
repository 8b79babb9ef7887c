"""Which protocol a call that passes is handled by."""

from __future__ import annotations

from amaze_proxy.pipeline.a2a_calls import A2aHandling
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.handling import Handling, Passing
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.llm_calls import LlmHandling
from amaze_proxy.pipeline.mcp_answers import AgentMay, McpHandling
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store.registry import EntryStatus, McpServer


def handling_of(
    line: Line, head: Head, call: Call, verdict: Verdict, evidence: Evidence
) -> Handling:
    """How the call is sent and its answer read."""
    if call.llm is not None:
        return LlmHandling(call, call.llm, verdict, line.prices)
    if call.a2a is not None and call.callee:
        return A2aHandling(call, call.a2a, head)
    if call.entry:
        # One that has left this worker's copy since was still in the store at the admission.
        server = line.directory.server(call.entry) or McpServer(
            call.entry, call.entry_url, EntryStatus.APPROVED
        )
        may = AgentMay(evidence.agent_id, server, verdict.in_force.policy)
        ours = TraceContext(evidence.trace_id, evidence.span_id)
        return McpHandling(call, head, may, line.seal, ours)
    return Passing()
