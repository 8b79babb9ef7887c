"""The store's word on a call: its admission, and what is registered now, in one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from amaze_proxy.pipeline.asking import Asking, Attempt
from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.verified import LATELY_S
from amaze_proxy.policy.decision import Decision, Reason
from amaze_proxy.policy.request import AgentCall
from amaze_proxy.policy.turn import ambient_trace
from amaze_proxy.store.admission import Admission, Admitted, Outcome
from amaze_proxy.store.peers import Callee, Hop
from amaze_proxy.store.registry import EntryStatus, LlmHost, McpServer

A = TypeVar("A")
B = TypeVar("B")


async def authenticate(line: Line, claim: Claim, decision_id: str) -> Admitted:
    """What the store says of the credential and its agent; reserves nothing.

    Raises StoreUnavailable.
    """
    admitted = await line.gate.admit(
        Admission(
            decision_id=decision_id,
            agent_id=claim.agent_id,
            credential_sha256=claim.credential_sha256,
            policy_version=-1,  # no version: only the credential matters here
            turn_id="",
            check_only=True,
        )
    )
    remember(line, claim, admitted)
    return admitted


def is_own(admitted: Admitted) -> bool:
    """Whether the credential is the agent's own, so that the call is the agent's.

    It is not when it is unknown, nor when it belongs to a registration under the agent's name
    that still waits beside the agent: the store tells no session for that.
    """
    if admitted.reason is Reason.AGENT_NOT_APPROVED:
        return admitted.session_id != ""
    return admitted.reason is not Reason.INVALID_BEARER


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store said together with the admission: of the callee, or against the call.
    `changed`: whether the tool is not what was accepted; None: it is no call of a tool."""

    callee: Callee | None = None
    refused: Refused | None = None
    changed: bool | None = None


NOTHING = Seen()


async def ask(
    line: Line, asking: Asking, admission: Admission, decision: Decision, attempt: Attempt
) -> tuple[Admitted, Seen]:
    """Admission, and the look at what is registered, in one round trip."""
    call, who = asking.call, asking.who
    if isinstance(call.resource, AgentCall) and decision.allowed:
        return await _ask_to_hop(line, asking, admission, attempt)
    if not call.entry and not call.callee:
        return await _admit(line, who, admission), NOTHING
    return await together(_admit(line, who, admission), _look(line, call))


async def _ask_to_hop(
    line: Line, asking: Asking, admission: Admission, attempt: Attempt
) -> tuple[Admitted, Seen]:
    """A hop is noted in the callee's turn, with the conversation that it belongs to.

    A caller that was not seen lately is admitted first: nobody may move another agent's turn with
    a credential that is not checked. An ambient turn's conversation is guessed to be that of the
    agent's last call; the store then says which it is.
    """
    who = asking.who
    guess = line.ambients.get(who.agent_id) if asking.turn.ambient else asking.turn.conversation
    if guess is None or not line.verified.within(who, LATELY_S):
        admitted = await _admit(line, who, admission)
        guess, seen = None, NOTHING
    else:
        admitted, seen = await together(
            _admit(line, who, admission), _hop(line, asking, guess, attempt)
        )
    if admitted.outcome is not Outcome.ADMITTED:
        return admitted, seen
    actual = conversation_of(asking, admitted)
    if actual != guess:
        if guess is not None:
            await line.peers.hop_end(asking.call.callee, asking.decision_id, reached=False)
        seen = await _hop(line, asking, actual, attempt)
    return admitted, seen


async def together(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Both results; what they ask of the store at once leaves in one packet. If the first fails,
    the second is not waited for. Half of what `asyncio.gather` costs."""
    beside = asyncio.ensure_future(second)
    beside.add_done_callback(_heard)
    try:
        found = await first
    except BaseException:
        beside.cancel()
        raise
    return found, await beside


def _heard(done: asyncio.Future[B]) -> None:
    """Its exception is nobody's concern where the first has failed too."""
    if not done.cancelled():
        done.exception()


async def _hop(line: Line, asking: Asking, within: Conversation, attempt: Attempt) -> Seen:
    callee = attempt.hopped = asking.call.callee
    hop = Hop(asking.decision_id, callee, within.depth + 1, within.trace_id, asking.span_id)
    return Seen(await line.peers.hop(hop))


def conversation_of(asking: Asking, admitted: Admitted) -> Conversation:
    """The signed turn's, or what the store knows of the agent's ambient turn."""
    if not asking.turn.ambient:
        return asking.turn.conversation
    if admitted.trace_id:
        return Conversation(admitted.trace_id, admitted.parent_span, admitted.depth)
    trace_id = ambient_trace(asking.who.agent_id, admitted.session_id, admitted.turn_id)
    return Conversation(trace_id, "", admitted.depth)


async def _admit(line: Line, who: Claim, admission: Admission) -> Admitted:
    admitted = await line.gate.admit(admission)
    remember(line, who, admitted)
    return admitted


async def _look(line: Line, call: Call) -> Seen:
    if call.callee:
        return Seen(await line.peers.look(call.callee))
    if call.llm is not None:
        host = await line.peers.llm(call.entry)
        return Seen(refused=_not_there(call, host, "LLM host", Reason.LLM_NOT_ALLOWED))
    server = await line.peers.mcp(call.entry, call.tool)
    refused = _not_there(call, server, "MCP server", Reason.MCP_NOT_ALLOWED)
    changed = server.changed(call.tool) if server is not None and call.tool else None
    return Seen(refused=refused, changed=changed)


def _not_there(
    call: Call, entry: McpServer | LlmHost | None, kind: str, reason: Reason
) -> Refused | None:
    """Why nothing goes to what is registered now; None: it is what the call was decided for."""
    name = call.entry
    verb = "mcp approve" if reason is Reason.MCP_NOT_ALLOWED else "llm add"
    advice = f"an operator can change that: `amaze {verb} {name}`"
    if entry is None:
        return Refused(reason, f"{kind} {name!r} is not registered any more", advice=advice)
    if entry.status is not EntryStatus.APPROVED:
        return Refused(reason, f"{kind} {name!r} is {entry.status.value}", advice=advice)
    if entry.url != call.entry_url:
        moved = f"{kind} {name!r} was given another URL at this moment"
        return Refused(reason, moved, advice="call it again")
    return None


def remember(line: Line, claim: Claim, admitted: Admitted) -> None:
    if admitted.reason is Reason.INVALID_BEARER:
        line.verified.forget(claim)
    elif admitted.reason is not Reason.AGENT_NOT_APPROVED:
        line.verified.note(claim)
