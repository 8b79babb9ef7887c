"""One call, one line: identify, classify, judge, forward, relay, settle, answer.

Every way out goes through `_settle`, once; nothing is forwarded before `judge` let it pass.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import NoReturn

from starlette.types import Receive, Scope, Send

from amaze_proxy.pipeline import a2a_calls, answer, classify, mcp_calls
from amaze_proxy.pipeline.asked import refuse_asked
from amaze_proxy.pipeline.asking import Asking, Attempt, TurnClaim
from amaze_proxy.pipeline.batch import Batch, run_batch
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.enforce import Verdict, judge
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.handling import EVENT_STREAM, Handling, Passing
from amaze_proxy.pipeline.identity import BadCredential, Claim, claim
from amaze_proxy.pipeline.intake import Intake
from amaze_proxy.pipeline.legacy import send_round
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.llm_calls import LlmHandling
from amaze_proxy.pipeline.looks import authenticate, is_own
from amaze_proxy.pipeline.refusal import Refused, from_admission
from amaze_proxy.pipeline.relay import Abort, Relay
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import AgentCall
from amaze_proxy.policy.turn import verify
from amaze_proxy.protocols.mcp import Asked
from amaze_proxy.store.admission import Outcome, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.ingress import Answer, ClientDisconnected, Ingress

Headers = list[tuple[bytes, bytes]]

log = logging.getLogger("amaze.proxy")
# What a call is refused for that goes to a place which is not registered.
_OF_STRAYS = (
    *(Reason.HOST_NOT_ALLOWED, Reason.MCP_NOT_ALLOWED, Reason.NOT_ALLOWED),
    Reason.AGENT_NOT_APPROVED,  # which may look at what a registered MCP server offers
)
# A refusal for these leads to no request at all, however it is told.
_STAYS = (Reason.AGENT_QUARANTINED, Reason.REDIS_UNAVAILABLE)
# A turn's counters live this long in the store; an older token would find them gone.
TURN_LIFETIME_MS = 24 * 3600 * 1000
_REMEMBERED_S = 3600.0


class Exchange:
    """The state of one call on its way."""

    def __init__(
        self,
        line: Line,
        ingress: Ingress,
        scope: Scope,
        receive: Receive,
        send: Send,
        in_batch: bool = False,
    ) -> None:
        """`in_batch`: it is one message of a batch, so that its refusal is a message too."""
        if ingress.authority is None:
            raise ValueError("an exchange has a target")
        rules = line.rules
        self._line = line
        self._ingress = ingress
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
        self._intake = Intake(line, self.head, raw_headers, receive, self.evidence)
        self._claim: Claim | None = None
        self._turn = TurnClaim()
        self._call: Call | None = None
        self._attempt = Attempt()
        self._read_by = 0  # the generation of the directory
        self._verdict: Verdict | None = None
        self._relay: Relay | None = None
        self._handler: Handling = Passing()
        self._leave: Callable[[], None] | None = None
        self._settled = False
        self._in_batch = in_batch

    async def run(self) -> None:
        """Walk the line to its one exit."""
        try:
            self._claim = self._identify()
            self.evidence.caller = self._claim.agent_id
            await self._walk(self._claim)
        except Abort:
            raise  # a message of its batch has cut the connection, and is settled
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
            self._read_by = self._line.directory.generation
            call = await self._intake.classify(who)
            if isinstance(call, Call):
                self._call = call
        except Refused as refused:
            raise await self._after_authentication(who, refused) from None
        if isinstance(call, Batch):
            await run_batch(call, self._scope, self._child, self._send)
            return
        verdict = await self._judged(who, call)
        self._leave = self._line.in_flight.enter(who.agent_id)
        call = self._call or call
        handling = self._handler = self._handling(call, verdict)
        told = self._told(call, verdict)
        relay = self._relay = Relay(
            self._line, self._scope, self._send, self.evidence, call, handling, told, self._asked
        )
        await relay.run(who.agent_id, self._intake.body(), self._settle)

    async def _judged(self, who: Claim, call: Call) -> Verdict:
        """The verdict that lets the call pass. Raises Refused."""
        for last in (False, True):
            self._describe(call)
            asking = Asking(self.evidence.decision_id, self.evidence.span_id, who, self._turn, call)
            verdict, refusal = await judge(self._line, asking, self._attempt)
            self._note(verdict, who)
            if refusal is None:
                if verdict.hop is not None and verdict.hop.way is not None:
                    self._call = call.sent(verdict.hop.way)
                return verdict
            # What was registered a moment ago may not be in this worker's copy yet.
            known = call.entry or call.callee or call.llm
            strays = refusal.reason in _OF_STRAYS and not known
            if last or not strays or not await self._news():
                raise refusal
            again = await self._intake.classify(who, strays=True)
            if isinstance(again, Batch):
                raise refusal
            call = self._call = again
        raise AssertionError("the second refusal is final")

    async def _news(self) -> bool:
        """Whether more is known now of where the call goes."""
        directory = self._line.directory
        await directory.refresh()
        # Not what that returns: the copy may have been renewed in the middle of this call.
        newer = directory.generation != self._read_by
        return newer or directory.claimed(self.head.authority) is not None

    def _describe(self, call: Call) -> None:
        evidence = self.evidence
        evidence.kind, evidence.target = call.kind, call.target
        evidence.model, evidence.tool = call.model, call.tool
        evidence.provider = call.provider
        if call.rpc_method:
            evidence.method = call.rpc_method[:256]

    def _handling(self, call: Call, verdict: Verdict) -> Handling:
        line = self._line
        if call.llm is not None:
            return LlmHandling(call, call.llm, verdict, line.prices)
        if call.a2a is not None and call.callee:
            return a2a_calls.A2aHandling(call, call.a2a, self.head)
        if call.entry:
            may = mcp_calls.AgentMay(self.evidence.agent_id, call.entry, verdict.in_force.policy)
            return mcp_calls.McpHandling(call, self.head, may, line.seal)
        return Passing()

    def _told(self, call: Call, verdict: Verdict) -> Headers:
        """What of ours the target gets: a callee, who calls it and in which turn."""
        if verdict.hop is None or not isinstance(call.resource, AgentCall):
            return []
        return a2a_calls.told_to_callee(
            self._line.rules.turn_key,
            self.evidence.agent_id,
            verdict.hop.callee,
            self.evidence.trace_id,
            self.evidence.span_id,
            verdict.conversation.depth + 1,
        )

    async def _asked(self, asked: Sequence[Asked]) -> None:
        if self._call is not None:
            way = self._handler.posts_to
            call = self._call.sent(way) if way else self._call
            await refuse_asked(self._line, self._scope, self.evidence, call, asked)

    def _child(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """The line of one message of a batch, which has a record of its own."""
        self._settled = True
        return Exchange(self._line, self._ingress, scope, receive, send, in_batch=True)

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
        return TurnClaim(turn.turn_id, turn.trace_id, turn.parent_span, turn.depth)

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
        evidence.trace_id = verdict.conversation.trace_id
        evidence.parent_span_id = verdict.conversation.parent_span
        evidence.graph_step = "" if admitted.step is None else str(admitted.step)
        if admitted.limits:
            limits = [[one.name, one.maximum, one.used] for one in admitted.limits]
            evidence.limits = json.dumps(limits, separators=(",", ":"))

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
        if self._call is not None and self._call.legacy:
            # Settled before: whoever leaves while the server has it leaves a record.
            shaped = await self._sent_round(refused, shaped, self._call)
        await self._send(
            {
                "type": "http.response.start",
                "status": shaped.status,
                "headers": [*shaped.headers, (b"content-length", b"%d" % len(shaped.body))],
                "reason": shaped.reason_phrase,
            }
        )
        await self._send({"type": "http.response.body", "body": shaped.body})

    async def _sent_round(self, refused: Refused, shaped: Answer, call: Call) -> Answer:
        """A refusal on HTTP+SSE: its client reads answers on the other stream alone. Only of an
        agent that may ask a server that may be asked: nobody else's call leads to a request."""
        verdict = self._verdict
        may = verdict is not None and verdict.open and refused.reason not in _STAYS
        if not may or self._line.rules.plain_denials:
            return shaped
        return await send_round(self._line, self._scope, self.evidence, call, shaped)

    async def _break_off(self, relay: Relay, refused: Refused) -> NoReturn:
        """The answer has begun: say it in the stream's own way, then cut the connection."""
        context = self._context()
        await self._settle_anyhow()
        if relay.streaming:
            await relay.push(answer.in_stream(refused, context, begun=relay.begun))
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
        call, agent_id = self._call, self.evidence.agent_id
        find = self._line.directory.find
        # A stranger does not learn from the shape what is registered.
        place = find(self.head.authority, self.head.path) if agent_id else None
        provider, family = classify.spoken(self.head, place)
        return answer.Context(
            decision_id=self.evidence.decision_id,
            agent_id=agent_id or (self._claim.agent_id if self._claim else ""),
            policy_version=self.evidence.policy_version,
            provider=provider,
            family=family,
            plain=self._line.rules.plain_denials,
            spoken=(call.mcp or call.a2a) if call else None,
            streams=self._takes_messages(call),
        )

    def _takes_messages(self, call: Call | None) -> bool:
        """Whether the client reads a refusal as a message of its protocol, with status 200."""
        legacy = call is not None and call.legacy
        return self._in_batch or legacy or self.head.accepts(EVENT_STREAM)

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
            await asyncio.gather(*self._beside(reached=False))
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
        beside = asyncio.gather(*self._beside(reached=used is not None))
        # Begun, it is written even if this task is cancelled: whoever leaves now is still charged.
        # Not in a task of its own, which could be cancelled before it begins.
        try:
            await self._line.gate.settle(settlement)
            await beside
        except StoreUnavailable:
            log.critical("decision %s: neither store nor journal took it", record.decision_id)
            raise
        provider = self._call.provider if self._call else ""
        parent = self._verdict.conversation.parent_span if self._verdict else ""
        self._line.spans.emit(record, parent or self._turn.parent_span, provider)

    def _beside(self, reached: bool) -> Iterator[Coroutine[None, None, None]]:
        """What else the store is told of the end of a call; most calls have none, and a task for
        nothing takes as long as many a check."""
        if self._attempt.hopped:
            yield self._end_hop(reached)
        if self._handler.card_urls():
            yield self._learn()

    async def _learn(self) -> None:
        """Before its reader has the end of a card, its addresses are known as the agent's."""
        if self._call is not None and (urls := self._handler.card_urls()):
            with suppress(StoreUnavailable):  # it is learned with the next one
                await self._line.directory.learn(self._call.callee, urls)

    async def _end_hop(self, reached: bool) -> None:
        """The message is handled: the callee's ambient calls are its own again."""
        if self._attempt.hopped:
            with suppress(StoreUnavailable):  # it ends by itself then
                await self._line.peers.hop_end(
                    self._attempt.hopped, self.evidence.decision_id, reached=reached
                )


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")


def _store_away(error: StoreUnavailable) -> Refused:
    return Refused(
        Reason.REDIS_UNAVAILABLE,
        "the store that decides and records is not available",
        error=str(error)[:200],
    )
