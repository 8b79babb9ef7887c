"""One call, one line: identify, classify, judge, forward, relay, settle, answer.

Every way out goes through `_settle`, once; nothing is forwarded before `judge` let it pass.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import NoReturn

from starlette.types import Receive, Scope, Send

from amaze_proxy.pipeline import answer, classify
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.classify import Call, Head
from amaze_proxy.pipeline.enforce import (
    Attempt,
    TurnClaim,
    Verdict,
    authenticate,
    is_own,
    judge,
)
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.identity import BadCredential, Claim, claim
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.refusal import Refused, from_admission, from_fault
from amaze_proxy.pipeline.relay import Abort, Relay
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.turn import verify
from amaze_proxy.protocols.llm.refusals import stream_error
from amaze_proxy.store.admission import Outcome, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.ingress import BodyFault, ClientDisconnected, Ingress

log = logging.getLogger("amaze.proxy")
# A turn's counters live this long in the store; an older token would find them gone.
TURN_LIFETIME_MS = 24 * 3600 * 1000
_REMEMBERED_S = 3600.0
_KNOWN_S = 30.0
_STRANGERS_BODY = 65_536  # bytes


class Exchange:
    """The state of one call on its way."""

    def __init__(
        self, line: Line, ingress: Ingress, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if ingress.authority is None:
            raise ValueError("an exchange has a target")
        rules = line.rules
        self._line = line
        self._ingress = ingress
        self._receive = receive
        self._send = send
        self._scope = scope
        raw_headers: list[tuple[bytes, bytes]] = scope["headers"]
        query = scope["query_string"].decode("ascii", "replace")
        headers = dict(raw_headers)
        self.head = Head(ingress.authority, scope["method"], _path(scope), headers, query)
        self.evidence = Evidence(
            Capture(rules.audit_body_max),
            Capture(rules.audit_body_max),
            method=self.head.method,
            path=self.head.path[:2048],
            target=ingress.authority.netloc,
        )
        self._claim: Claim | None = None
        self._turn = TurnClaim()
        self._call: Call | None = None
        self._attempt = Attempt()
        self._verdict: Verdict | None = None
        self._relay: Relay | None = None
        self._leave: Callable[[], None] | None = None
        self._settled = False

    async def run(self) -> None:
        """Walk the line to its one exit."""
        try:
            self._claim = self._identify()
            self.evidence.caller = self._claim.agent_id
            await self._walk(self._claim)
        except Refused as refused:
            await self._refuse(refused)
        except StoreUnavailable as error:
            await self._refuse(_store_away(error))
        except (asyncio.CancelledError, ClientDisconnected):
            await self._cancelled()
        except Exception as error:
            log.exception("decision %s: internal error", self.evidence.decision_id)
            name = type(error).__name__
            message = "the proxy failed on this call"
            await self._refuse(Refused(Reason.INTERNAL_ERROR, message, error=name))
        finally:
            if self._leave:
                self._leave()

    async def _walk(self, who: Claim) -> None:
        try:
            self._turn = self._read_turn(who)
            call = self._call = await self._classify(who)
        except Refused as refused:
            raise await self._after_authentication(who, refused) from None
        self.evidence.kind = call.kind
        self.evidence.target = call.target
        self.evidence.model = call.llm.model if call.llm else ""
        verdict, refusal = await judge(
            self._line, self.evidence.decision_id, who, call, self._turn, self._attempt
        )
        self._note(verdict, who)
        if refusal:
            raise refusal
        self._leave = self._line.in_flight.enter(who.agent_id)
        self._relay = Relay(self._line, self._scope, self._send, self.evidence, call, verdict)
        await self._relay.run(who.agent_id, self._body(), self._settle)

    # -- who, which turn, what ------------------------------------------------------------------

    def _identify(self) -> Claim:
        bearer = self.head.headers.get(b"x-amaze-bearer")
        try:
            found = claim(bearer, self._ingress.proxy_authorization)
        except BadCredential as error:
            raise Refused(Reason.INVALID_BEARER, str(error)) from None
        if found is None:
            status = 407 if self._ingress.form == "absolute" else 403
            message = "the request carries no agent credential"
            raise Refused(Reason.INVALID_BEARER, message, status=status)
        return found

    def _read_turn(self, who: Claim) -> TurnClaim:
        token = self.head.text(b"x-amaze-turn")
        if token is None:
            return TurnClaim()
        turn = verify(self._line.rules.turn_key, token)
        if turn is None or turn.agent_id != who.agent_id:
            raise Refused(Reason.INVALID_TURN, "X-Amaze-Turn is not a turn of this agent")
        if time.time() * 1000 - turn.issued_ms > TURN_LIFETIME_MS:
            raise Refused(Reason.INVALID_TURN, "X-Amaze-Turn is older than 24 hours")
        return TurnClaim(turn.turn_id, turn.trace_id, turn.parent_span)

    async def _classify(self, who: Claim) -> Call:
        found = classify.llm_route(self.head)
        if found is None:
            return classify.classify_http(self.head)
        rules = self._line.rules
        body = await self._whole_body(who, rules.request_body_max)
        return classify.classify_llm(
            self.head, found, body, self._line.prices, rules.request_body_max
        )

    async def _whole_body(self, who: Claim, limit: int) -> bytes:
        """The body, of which strangers send little: it is held and parsed before the store has
        said who this is, and must not cost others their memory or their time."""
        known = self._line.verified.within(who, _KNOWN_S)
        parts: list[bytes] = []
        async for part in self._body():
            parts.append(part)
            if not known and self.evidence.input.size > _STRANGERS_BODY:
                await self._let_upload(who)
                known = True
            if self.evidence.input.size > limit:
                raise Refused(
                    Reason.REQUEST_TOO_LARGE, f"the request body is larger than {limit} bytes"
                )
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _let_upload(self, who: Claim) -> None:
        """Raises Refused for a caller that may not call at all."""
        answered = await authenticate(self._line, who, self.evidence.decision_id)
        if answered.outcome is Outcome.REFUSED:
            raise from_admission(answered, who.agent_id)

    async def _body(self) -> AsyncIterator[bytes]:
        """The request body as it arrives, captured. After it was read whole, nothing."""
        while True:
            try:
                message = await self._receive()
            except BodyFault as error:
                raise from_fault(error.fault) from None
            if message["type"] == "http.disconnect":
                raise asyncio.CancelledError
            data: bytes = message.get("body", b"")
            if data:
                self.evidence.input.add(data)
                yield data
            if not message.get("more_body", False):
                return

    async def _after_authentication(self, who: Claim, refused: Refused) -> Refused:
        """The refusal, or the one that the credential deserves: strangers learn nothing else."""
        answered = await authenticate(self._line, who, self.evidence.decision_id)
        if is_own(answered):
            self.evidence.agent_id = who.agent_id
            self.evidence.session_id = answered.session_id
        if answered.outcome is Outcome.REFUSED:
            return from_admission(answered, who.agent_id)
        return refused

    def _note(self, verdict: Verdict, who: Claim) -> None:
        evidence, admitted = self.evidence, verdict.admitted
        self._verdict = verdict
        if is_own(admitted):
            evidence.agent_id = who.agent_id
        evidence.policy_version = verdict.in_force.version
        evidence.alert = ",".join(verdict.alerts)
        evidence.would_deny = verdict.would_deny
        evidence.session_id = admitted.session_id
        evidence.turn_id = admitted.turn_id or self._turn.turn_id
        evidence.trace_id = self._turn.trace_id or _ambient_trace(
            who.agent_id, admitted.session_id, evidence.turn_id
        )

    def _attribute(self) -> None:
        """Whose call it was, as far as this worker knows without the store."""
        who = self._claim
        if who is not None and self._line.verified.within(who, _REMEMBERED_S):
            self.evidence.agent_id = who.agent_id

    # -- the ways out ---------------------------------------------------------------------------

    async def _refuse(self, refused: Refused) -> None:
        evidence = self.evidence
        if self._leave:
            self._leave()  # a stop now would only cut the refusal short
        if refused.reason is Reason.INVALID_BEARER:
            evidence.agent_id = ""
        else:
            self._attribute()
        evidence.error = refused.error or evidence.error
        evidence.denied = refused.denied
        evidence.denial_reason = refused.reason.value if refused.denied else ""
        if not refused.denied:
            evidence.error = evidence.error or f"{refused.reason.value}: {refused.message}"
        if self._relay and self._relay.started:
            await self._break_off(self._relay, refused)
        shaped = answer.shape(refused, self._context())
        evidence.status = shaped.status
        evidence.output.add(shaped.body)
        await self._settle_anyhow()
        await self._send(
            {
                "type": "http.response.start",
                "status": shaped.status,
                "headers": [*shaped.headers, (b"content-length", b"%d" % len(shaped.body))],
                "reason": shaped.reason_phrase,
            }
        )
        await self._send({"type": "http.response.body", "body": shaped.body})

    async def _break_off(self, relay: Relay, refused: Refused) -> NoReturn:
        """The answer has begun: say it in the stream's own way, then cut the connection."""
        context = self._context()
        await self._settle_anyhow()
        if relay.streaming:
            words = answer.describe(refused, context)
            await relay.push(stream_error(context.family, words))
        raise Abort

    async def _cancelled(self) -> None:
        """The client went away, the process stops, or an operator stopped this agent."""
        self._attribute()
        stopped = self._line.in_flight.was_stopped()
        task = asyncio.current_task()
        while task is not None and task.cancelling():
            task.uncancel()  # what follows awaits the store
        if stopped:
            message = f"agent {self.evidence.agent_id!r} was stopped during this call"
            await self._refuse(Refused(Reason.AGENT_QUARANTINED, message))
            return
        self.evidence.error = self.evidence.error or "client went away"
        await self._settle_anyhow()
        raise Abort

    async def _settle_anyhow(self) -> None:
        """Settle on a way out that gives no answer of the target: it is taken also unrecorded."""
        with suppress(StoreUnavailable):
            await self._settle(self._relay.used() if self._relay else None)

    def _context(self) -> answer.Context:
        # The family decides the shape even where the body was never understood.
        call = self._call
        route = call.route if call else classify.route_or_none(self.head)
        return answer.Context(
            decision_id=self.evidence.decision_id,
            agent_id=self.evidence.agent_id or (self._claim.agent_id if self._claim else ""),
            policy_version=self.evidence.policy_version,
            provider=route.provider if route else "",
            family=route.family if route else None,
            plain=self._line.rules.plain_denials,
        )

    async def _settle(self, used: Used | None) -> None:
        """Charge and record, exactly once. `used` None: nothing was used, give all back."""
        if self._settled:
            return
        self._settled = True
        evidence = self.evidence
        if used is not None:
            evidence.tokens_in, evidence.tokens_out = used.input, used.output
            evidence.tokens_cached, evidence.estimated = used.cached, used.estimated
            evidence.cost_microusd = used.cost_microusd
        record = self._line.strangers.worth(evidence.record())
        if record is None:
            return
        tried = self._attempt.admission
        settlement = Settlement(
            decision_id=evidence.decision_id,
            agent_id=record.agent_id,
            record=record,
            # Also of an admission whose answer never came: what it may have reserved goes back.
            limits=tried.limits if tried else (),
            turn_id=evidence.turn_id or (tried.turn_id if tried else ""),
            tokens=used.input + used.output if used else 0,
            output_tokens=used.output if used and not used.estimated else 0,
            cost_microusd=used.cost_microusd if used else 0,
            mean_key=self._verdict.charge.mean_key if self._verdict else "",
            charged=used is not None,
            burn_step=used is not None and used.burn_step,
        )
        # Begun, it is written even if this task is cancelled: whoever leaves now is still charged.
        try:
            await self._line.gate.settle(settlement)
        except StoreUnavailable:
            log.critical("decision %s: neither store nor journal took it", record.decision_id)
            raise
        provider = self._call.provider if self._call else ""
        self._line.spans.emit(record, self._turn.parent_span, provider)


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")


def _ambient_trace(agent_id: str, session_id: str, turn_id: str) -> str:
    text = f"{agent_id}\0{session_id}\0{turn_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _store_away(error: StoreUnavailable) -> Refused:
    return Refused(
        Reason.REDIS_UNAVAILABLE,
        "the store that decides and records is not available",
        error=str(error)[:200],
    )
