"""Decide and admit: the verdict of the policy, then the store's atomic check and reservation.

What is registered (an MCP server, an LLM host, another agent) is looked up in the store in the
same round trip as the admission, so that what was registered a moment ago is what counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from amaze_proxy.pipeline.a2a_calls import Hopping, reached
from amaze_proxy.pipeline.asking import Asking, Attempt
from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.looks import Seen, ask, conversation_of, is_own
from amaze_proxy.pipeline.mcp_calls import is_discovery
from amaze_proxy.pipeline.policies import InForce
from amaze_proxy.pipeline.refusal import Refused, from_admission
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Decision, Effect, Reason
from amaze_proxy.policy.model import UnknownPrice
from amaze_proxy.policy.request import (
    AccessRequest,
    AgentCall,
    AgentLook,
    LlmCall,
    Resource,
    ToolCall,
)
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store.admission import Admission, Admitted, Outcome
from amaze_proxy.store.peers import Callee

_MOST_RELOADS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the policy it was made by and what the store reserved for it.

    `hop` is what is known of the callee of a call to an agent. `open`: the credential is the
    agent's own, and the registered place that the call goes to is approved. `changed`: it is a
    call of a tool that is not what was accepted.
    """

    in_force: InForce
    decision: Decision
    admitted: Admitted
    charge: Charge
    conversation: Conversation
    hop: Hopping | None = None
    open: bool = True
    changed: bool = False

    @property
    def alerts(self) -> tuple[str, ...]:
        """Reasons for which it would have been refused, where breaches pass; and that its tool has
        changed, whatever the verdict: a simulation reads it there."""
        changed = (Reason.TOOL_CHANGED,) if self.changed else ()
        found = (*self.decision.alerts, *self.admitted.alerts, *changed)
        return tuple(dict.fromkeys(reason.value for reason in found))

    @property
    def would_deny(self) -> str:
        """In shadow mode: why an enforced policy would have refused."""
        if not self.decision.obligations.shadow:
            return ""
        first = self.decision.would_deny or next(iter(self.admitted.alerts), None)
        return first.value if first else ""


async def judge(line: Line, asking: Asking, attempt: Attempt) -> tuple[Verdict, Refused | None]:
    """The verdict, and the refusal that it means (None: pass). Raises StoreUnavailable.

    A policy that changes while this runs is loaded anew and decided by again, before anything is
    forwarded.
    """
    who = asking.who
    in_force = await line.policies.get(who.agent_id)
    callers = await _callers(line, asking.call)
    known = _Known(callers, asking.turn.depth, _changed(line, asking.call))
    for _ in range(_MOST_RELOADS):
        decision = _decide(asking, in_force, known)
        admission = _admission(asking, in_force, decision)
        attempt.admission = admission
        admitted, seen = await ask(line, asking, admission, decision, attempt)
        if admitted.outcome is Outcome.STALE:
            in_force = await line.policies.reload(who.agent_id)
            continue
        conversation = conversation_of(asking, admitted)
        if asking.turn.ambient and admitted.outcome is Outcome.ADMITTED:
            line.ambients.put(who.agent_id, conversation)
        before, known = known, await _news(line, known, seen, conversation)
        if known != before:
            again = _decide(asking, in_force, known)
            if again.allowed and not decision.allowed:
                continue  # nothing was reserved for the denial
            decision = again
        hop = None
        if seen.callee is not None:
            hop = reached(seen.callee, asking.call.path)
        passable = is_own(admitted) and seen.refused is None
        verdict = Verdict(
            in_force,
            decision,
            admitted,
            admission.charge,
            conversation,
            hop,
            open=passable,
            changed=known.changed,
        )
        return verdict, _refusal(verdict, asking, seen)
    raise Refused(Reason.INTERNAL_ERROR, "the policy changed faster than it could be read")


# -- the decision -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    """What only the callee's policy, the turn and the registry know: the callee's list of callers,
    the depth, whether the tool is not what was accepted."""

    callers: frozenset[str] | None
    depth: int
    changed: bool


def _changed(line: Line, call: Call) -> bool:
    """Whether the called tool is not what was accepted, as this worker last saw it."""
    server = line.directory.server(call.entry) if call.tool else None
    return server is not None and server.changed(call.tool)


async def _news(line: Line, known: _Known, seen: Seen, conversation: Conversation) -> _Known:
    """The same as the store has it now."""
    return _Known(
        known.callers if seen.callee is None else await _current(line, seen.callee),
        conversation.depth,
        known.changed if seen.changed is None else seen.changed,
    )


def _decide(asking: Asking, in_force: InForce, known: _Known) -> Decision:
    """The verdict on the call and on all that must be allowed besides; the first denial counts."""
    agent_id = asking.who.agent_id
    resource = _filled(asking.call.resource, known)
    decision = decide(AccessRequest(agent_id, resource), in_force.policy)
    if asking.call.barred:
        return _barred(asking.call, asking.call.barred, decision)
    for other in asking.call.also:
        if not decision.allowed:
            break
        further = decide(AccessRequest(agent_id, other), in_force.policy)
        if not further.allowed:
            return replace(further, obligations=decision.obligations)
        decision = replace(
            decision,
            alerts=tuple(dict.fromkeys((*decision.alerts, *further.alerts))),
            would_deny=decision.would_deny or further.would_deny,
        )
    return decision


def _barred(call: Call, why: Refused, decision: Decision) -> Decision:
    """The denial, or what a policy that lets breaches pass makes of it."""
    duty = decision.obligations
    denial = replace(
        decision, effect=Effect.DENY, reason=why.reason, message=why.message, advice=why.advice
    )
    if not call.strays or not decision.allowed:
        return denial
    if duty.shadow:
        return replace(decision, would_deny=why.reason)
    if not duty.violation_blocks:
        return replace(decision, alerts=(why.reason, *decision.alerts))
    return denial


def _filled(resource: Resource, known: _Known) -> Resource:
    match resource:
        case AgentCall(callee=callee):
            return AgentCall(callee, known.callers, known.depth + 1)
        case AgentLook(callee=callee):
            return AgentLook(callee, known.callers)
        case ToolCall():
            return replace(resource, changed=known.changed)
        case _:
            return resource


async def _callers(line: Line, call: Call) -> frozenset[str] | None:
    """The callee's list of callers, as last seen."""
    if not call.callee or call.barred:
        return None
    return _listed(await line.policies.get(call.callee))


async def _current(line: Line, callee: Callee) -> frozenset[str] | None:
    """The callee's list of callers, of the version that the store has now."""
    known = await line.policies.get(callee.agent_id)
    if known.version != callee.policy_version:
        known = await line.policies.reload(callee.agent_id)
    return _listed(known)


def _listed(in_force: InForce) -> frozenset[str] | None:
    policy = in_force.policy
    if policy is None or policy.allowed_callers is None:
        return None
    return frozenset(policy.allowed_callers)


def _refusal(verdict: Verdict, asking: Asking, seen: Seen) -> Refused | None:
    decision, admitted = verdict.decision, verdict.admitted
    if admitted.outcome is Outcome.REFUSED:
        return from_admission(admitted, asking.who.agent_id)
    if seen.refused:
        return seen.refused
    if not decision.allowed:
        reason = decision.reason or Reason.INTERNAL_ERROR
        barred = asking.call.barred
        return Refused(
            reason,
            decision.message,
            decision.advice,
            limits=admitted.limits,
            fault=barred.fault if barred else None,
        )
    return verdict.hop.refused if verdict.hop else None


def _charge(call: Call, in_force: InForce) -> Charge:
    resource = call.resource
    if (
        in_force.policy is not None
        and in_force.policy.unknown_price is UnknownPrice.ALLOW
        and isinstance(resource, LlmCall)
        and not resource.price_known
    ):
        return replace(call.charge, input_price=0, output_price=0)
    return call.charge


def _admission(asking: Asking, in_force: InForce, decision: Decision) -> Admission:
    call, turn = asking.call, asking.turn
    duty = decision.obligations
    policy = in_force.policy
    detects = policy is not None and policy.turn_detection.value == "user_message"
    return Admission(
        decision_id=asking.decision_id,
        agent_id=asking.who.agent_id,
        credential_sha256=asking.who.credential_sha256,
        policy_version=in_force.version,
        turn_id=turn.turn_id,
        limits=duty.limits,
        charge=_charge(call, in_force),
        graph=duty.graph,
        budget_blocks=duty.budget_blocks,
        violation_blocks=duty.violation_blocks,
        lower_output_limit=duty.lower_output_limit,
        check_only=not decision.allowed,
        discovery=is_discovery(call.resource),
        ambient=turn.ambient,
        facts=asking.facts,
        user_message=turn.ambient and detects and call.llm is not None and call.llm.user_message,
        shadow=duty.shadow,
    )
