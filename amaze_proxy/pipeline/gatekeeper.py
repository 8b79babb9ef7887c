"""What the wire asks: may this CONNECT open a tunnel, and how is a broken request answered."""

from __future__ import annotations

from amaze_proxy.pipeline import answer
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.evidence import Evidence, new_id
from amaze_proxy.pipeline.identity import BadCredential, Claim, claim
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.looks import authenticate, is_own
from amaze_proxy.pipeline.refusal import Refused, from_admission, from_fault
from amaze_proxy.pipeline.verified import LATELY_S
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admitted, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import Answer, Fault


class Gatekeeper:
    """Implements `wire.ingress.Gatekeeper` on the line's parts."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def connect(
        self, authority: Authority, proxy_authorization: bytes | None, peer: str
    ) -> Answer | None:
        """407 for a missing or wrong credential; all else is answered inside the tunnel, because
        clients throw the body of a refused CONNECT away."""
        try:
            who = claim(None, proxy_authorization)
        except BadCredential as error:
            return await self._refuse_connect(authority, str(error))
        if who is None:
            return await self._refuse_connect(authority, "CONNECT carries no agent credential")
        if self._line.verified.within(who, LATELY_S):
            return None  # each call inside is admitted by the store anyway
        try:
            answered = await self._check(who)
        except StoreUnavailable:
            return None  # the call inside is refused, where the client can read why
        if answered.reason is Reason.INVALID_BEARER:
            refused = from_admission(answered, who.agent_id)
            return await self._refuse_connect(authority, refused.message)
        return None

    async def fault(self, fault: Fault) -> Answer:
        """Record what was wrong with the bytes, and say it."""
        refused = from_fault(fault)
        evidence = self._evidence(fault.authority)
        evidence.input.add(fault.head)
        try:
            who = claim(None, fault.proxy_authorization)
            if who is not None:
                evidence.caller = who.agent_id
                answered = await self._check(who, evidence.decision_id)
                if is_own(answered):
                    evidence.agent_id = who.agent_id
        except (BadCredential, StoreUnavailable):
            pass  # recorded as nobody's
        return await self._finish(evidence, refused)

    async def _refuse_connect(self, authority: Authority, message: str) -> Answer:
        refused = Refused(Reason.INVALID_BEARER, message, status=407)
        evidence = self._evidence(authority)
        evidence.method = "CONNECT"
        return await self._finish(evidence, refused)

    async def _check(self, who: Claim, decision_id: str = "") -> Admitted:
        return await authenticate(self._line, who, decision_id or new_id(16))

    def _evidence(self, authority: Authority | None) -> Evidence:
        keep = self._line.rules.audit_body_max
        return Evidence(Capture(keep), Capture(keep), target=authority.netloc if authority else "")

    async def _finish(self, evidence: Evidence, refused: Refused) -> Answer:
        context = answer.Context(evidence.decision_id, evidence.agent_id)
        shaped = answer.shape(refused, context)
        evidence.status, evidence.denied = shaped.status, True
        evidence.denial_reason = refused.reason.value
        evidence.error = refused.message[:500]
        ended = evidence.record()
        self._line.meters.ended(ended)
        record = self._line.strangers.worth(ended)
        if record is None:
            return shaped
        settlement = Settlement(record.decision_id, record.agent_id, record, charged=False)
        try:
            await self._line.gate.settle(settlement)
        except StoreUnavailable:
            away = Refused(
                Reason.REDIS_UNAVAILABLE, "the store that decides and records is not available"
            )
            return answer.shape(away, context)
        return shaped
