"""Decide and admit: the verdict of the policy, then the store's atomic check and reservation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from amaze_proxy.pipeline.classify import Call
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.policies import InForce
from amaze_proxy.pipeline.refusal import Refused, from_admission
from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Decision, Reason
from amaze_proxy.policy.model import UnknownPrice
from amaze_proxy.policy.request import AccessRequest, LlmCall
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store.admission import Admission, Admitted, Outcome

_MOST_RELOADS = 5


@dataclass(frozen=True, slots=True)
class TurnClaim:
    """The turn of a call: a signed one, or the agent's ambient turn."""

    turn_id: str = ""
    trace_id: str = ""
    parent_span: str = ""

    @property
    def ambient(self) -> bool:
        return not self.turn_id


@dataclass(slots=True)
class Attempt:
    """The last admission that was asked for, whether or not its answer came."""

    admission: Admission | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the policy it was made by and what the store reserved for it."""

    in_force: InForce
    decision: Decision
    admitted: Admitted
    charge: Charge

    @property
    def alerts(self) -> tuple[str, ...]:
        found = (*self.decision.alerts, *self.admitted.alerts)
        return tuple(dict.fromkeys(reason.value for reason in found))

    @property
    def would_deny(self) -> str:
        """In shadow mode: why an enforced policy would have refused."""
        if not self.decision.obligations.shadow:
            return ""
        first = self.decision.would_deny or next(iter(self.admitted.alerts), None)
        return first.value if first else ""


async def judge(
    line: Line, decision_id: str, claim: Claim, call: Call, turn: TurnClaim, attempt: Attempt
) -> tuple[Verdict, Refused | None]:
    """The verdict, and the refusal that it means (None: pass). Raises StoreUnavailable.

    A policy that changes while this runs is loaded anew and decided by again, before anything is
    forwarded.
    """
    in_force = await line.policies.get(claim.agent_id)
    for _ in range(_MOST_RELOADS):
        decision = decide(AccessRequest(claim.agent_id, call.resource), in_force.policy)
        charge = _charge(call, in_force)
        admission = _admission(decision_id, claim, call, turn, in_force, decision, charge)
        attempt.admission = admission
        admitted = await line.gate.admit(admission)
        _remember(line, claim, admitted)
        if admitted.outcome is not Outcome.STALE:
            verdict = Verdict(in_force, decision, admitted, charge)
            return verdict, _refusal(verdict, claim.agent_id)
        in_force = await line.policies.reload(claim.agent_id)
    raise Refused(Reason.INTERNAL_ERROR, "the policy changed faster than it could be read")


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
    _remember(line, claim, admitted)
    return admitted


def is_own(admitted: Admitted) -> bool:
    """Whether the credential is the agent's own, so that the call is the agent's.

    It is not when it is unknown, nor when it belongs to a registration under the agent's name
    that still waits beside the agent: the store tells no session for that.
    """
    if admitted.reason is Reason.AGENT_NOT_APPROVED:
        return admitted.session_id != ""
    return admitted.reason is not Reason.INVALID_BEARER


def _remember(line: Line, claim: Claim, admitted: Admitted) -> None:
    if admitted.reason is Reason.INVALID_BEARER:
        line.verified.forget(claim)
    elif admitted.reason is not Reason.AGENT_NOT_APPROVED:
        line.verified.note(claim)


def _refusal(verdict: Verdict, agent_id: str) -> Refused | None:
    decision, admitted = verdict.decision, verdict.admitted
    if admitted.outcome is Outcome.REFUSED:
        return from_admission(admitted, agent_id)
    if not decision.allowed:
        reason = decision.reason or Reason.INTERNAL_ERROR
        return Refused(reason, decision.message, decision.advice, limits=admitted.limits)
    return None


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


def _admission(
    decision_id: str,
    claim: Claim,
    call: Call,
    turn: TurnClaim,
    in_force: InForce,
    decision: Decision,
    charge: Charge,
) -> Admission:
    duty = decision.obligations
    policy = in_force.policy
    detects = policy is not None and policy.turn_detection.value == "user_message"
    return Admission(
        decision_id=decision_id,
        agent_id=claim.agent_id,
        credential_sha256=claim.credential_sha256,
        policy_version=in_force.version,
        turn_id=turn.turn_id,
        limits=duty.limits,
        charge=charge,
        graph=duty.graph,
        budget_blocks=duty.budget_blocks,
        violation_blocks=duty.violation_blocks,
        lower_output_limit=duty.lower_output_limit,
        check_only=not decision.allowed,
        ambient=turn.ambient,
        user_message=turn.ambient and detects and call.llm is not None and call.llm.user_message,
        shadow=duty.shadow,
    )
