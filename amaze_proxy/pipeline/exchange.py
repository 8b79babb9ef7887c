"""One call, one line: identify, classify, judge, forward, relay, settle, answer.

Every way out goes through `Settling.settle`, once; nothing is forwarded before `judge` let it pass.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence

from starlette.types import Receive, Scope, Send

from amaze_proxy.pipeline import a2a_calls
from amaze_proxy.pipeline.asked import refuse_asked
from amaze_proxy.pipeline.asking import Asking, TurnClaim
from amaze_proxy.pipeline.batch import Batch, run_batch
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.endings import Endings
from amaze_proxy.pipeline.enforce import Verdict, judge
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.handlings import handling_of
from amaze_proxy.pipeline.identity import BadCredential, Claim, claim
from amaze_proxy.pipeline.intake import Intake
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.looks import authenticate, is_own
from amaze_proxy.pipeline.progress import Progress
from amaze_proxy.pipeline.refusal import Refused, from_admission
from amaze_proxy.pipeline.relay import Abort, Relay
from amaze_proxy.pipeline.settling import Settling
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import AgentCall
from amaze_proxy.policy.turn import verify
from amaze_proxy.protocols.mcp import Asked
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.ingress import ClientDisconnected, Ingress

Headers = list[tuple[bytes, bytes]]

log = logging.getLogger("amaze.proxy")
# What a call is refused for that goes to a place which is not registered.
_OF_STRAYS = (
    *(Reason.HOST_NOT_ALLOWED, Reason.MCP_NOT_ALLOWED, Reason.NOT_ALLOWED),
    Reason.AGENT_NOT_APPROVED,  # which may look at what a registered MCP server offers
)
# A turn's counters live this long in the store; an older token would find them gone.
TURN_LIFETIME_MS = 24 * 3600 * 1000


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
        self._progress = Progress(self.head, self.evidence, in_batch)
        self._settling = Settling(line, self._progress)
        self._endings = Endings(line, scope, send, self._progress, self._settling, self._leave)
        self._read_by = 0  # the generation of the directory
        self._in_flight: Callable[[], None] | None = None

    def _leave(self) -> None:
        """The call is no longer one that an operator's stop would end."""
        if self._in_flight:
            self._in_flight()

    async def run(self) -> None:
        """Walk the line to its one exit."""
        try:
            self._progress.claim = self._identify()
            self.evidence.caller = self._progress.claim.agent_id
            await self._walk(self._progress.claim)
        except Abort:
            raise  # a message of its batch has cut the connection, and is settled
        except Refused as refused:
            await self._endings.refuse(refused)
        except StoreUnavailable as error:
            await self._endings.refuse(_store_away(error))
        except (asyncio.CancelledError, ClientDisconnected):
            await self._endings.cancelled()
        except Exception as error:
            log.exception("decision %s: internal error", self.evidence.decision_id)
            name = type(error).__name__
            message = "the proxy failed on this call"
            await self._endings.refuse(Refused(Reason.INTERNAL_ERROR, message, error=name))
        finally:
            self._leave()

    async def _walk(self, who: Claim) -> None:
        try:
            self._progress.turn = self._read_turn(who)
            self._read_by = self._line.directory.generation
            call = await self._intake.classify(who)
            if isinstance(call, Call):
                self._progress.call = call
        except Refused as refused:
            raise await self._after_authentication(who, refused) from None
        if isinstance(call, Batch):
            await run_batch(call, self._scope, self._child, self._send)
            return
        verdict = await self._judged(who, call)
        self._in_flight = self._line.in_flight.enter(who.agent_id)
        call = self._progress.call or call
        handling = self._progress.handling = handling_of(
            self._line, self.head, call, verdict, self.evidence
        )
        told = self._told(call, verdict)
        relay = self._progress.relay = Relay(
            self._line, self._scope, self._send, self.evidence, call, handling, told, self._asked
        )
        await relay.run(who.agent_id, self._intake.body(), self._settling.settle)

    async def _judged(self, who: Claim, call: Call) -> Verdict:
        """The verdict that lets the call pass. Raises Refused."""
        for last in (False, True):
            self._describe(call)
            turn, evidence = self._progress.turn, self.evidence
            facts = evidence.facts(turn.turn_id, turn.trace_id, turn.parent_span)
            asking = Asking(evidence.decision_id, evidence.span_id, who, turn, call, facts)
            verdict, refusal = await judge(self._line, asking, self._progress.attempt)
            self._note(verdict, who)
            if refusal is None:
                if verdict.hop is not None and verdict.hop.way is not None:
                    self._progress.call = call.sent(verdict.hop.way)
                return verdict
            # What was registered a moment ago may not be in this worker's copy yet.
            known = call.entry or call.callee or call.llm
            strays = refusal.reason in _OF_STRAYS and not known
            if last or not strays or not await self._news():
                raise refusal
            again = await self._intake.classify(who, strays=True)
            if isinstance(again, Batch):
                raise refusal
            call = self._progress.call = again
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
        if self._progress.call is not None:
            way = self._progress.handling.posts_to
            call = self._progress.call.sent(way) if way else self._progress.call
            await refuse_asked(self._line, self._scope, self.evidence, call, asked)

    def _child(self, scope: Scope, receive: Receive, send: Send) -> Exchange:
        """The line of one message of a batch, which has a record of its own."""
        self._settling.done = True
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
            self._note_turn()
        if answered.outcome is Outcome.REFUSED:
            return from_admission(answered, who.agent_id)
        return refused

    def _note_turn(self) -> None:
        """Where a call belongs that was refused before it was judged: a signed turn tells."""
        turn, evidence = self._progress.turn, self.evidence
        evidence.turn_id, evidence.trace_id = turn.turn_id, turn.trace_id
        evidence.parent_span_id = turn.parent_span

    def _note(self, verdict: Verdict, who: Claim) -> None:
        evidence, admitted = self.evidence, verdict.admitted
        self._progress.verdict = verdict
        if is_own(admitted):
            evidence.agent_id = who.agent_id
        evidence.policy_version = verdict.in_force.version
        evidence.alert = ",".join(verdict.alerts)
        evidence.would_deny = verdict.would_deny
        evidence.session_id = admitted.session_id
        evidence.turn_id = admitted.turn_id or self._progress.turn.turn_id
        evidence.trace_id = verdict.conversation.trace_id
        evidence.parent_span_id = verdict.conversation.parent_span
        evidence.graph_step = "" if admitted.step is None else str(admitted.step)
        if admitted.limits:
            limits = [[one.name, one.maximum, one.used] for one in admitted.limits]
            evidence.limits = json.dumps(limits, separators=(",", ":"))


def _path(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("ascii", "replace")


def _store_away(error: StoreUnavailable) -> Refused:
    return Refused(
        Reason.REDIS_UNAVAILABLE,
        "the store that decides and records is not available",
        error=str(error)[:200],
    )
