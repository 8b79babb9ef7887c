"""The ways out of the line that are not the target's answer: refused, broken off, abandoned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from starlette.types import Scope, Send

from amaze_proxy.pipeline import answer, classify
from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.evidence import new_id
from amaze_proxy.pipeline.handling import EVENT_STREAM
from amaze_proxy.pipeline.legacy import send_round
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.looks import authenticate
from amaze_proxy.pipeline.progress import Progress
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.relay import Abort, Relay
from amaze_proxy.pipeline.settling import Settling
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.wire.ingress import Answer

# A refusal for these leads to no request at all, however it is told.
_STAYS = (Reason.AGENT_QUARANTINED, Reason.REDIS_UNAVAILABLE)
_REMEMBERED_S = 3600.0


class Endings:
    """Of one call. `leave` is told before a refusal: a stop then would only cut it short."""

    def __init__(
        self,
        line: Line,
        scope: Scope,
        send: Send,
        progress: Progress,
        settling: Settling,
        leave: Callable[[], None],
    ) -> None:
        self._line = line
        self._scope = scope
        self._send = send
        self._progress = progress
        self._settling = settling
        self._leave = leave

    async def refuse(self, refused: Refused) -> None:
        """Record it and answer with it; once the answer has begun, break that off (Abort)."""
        on, evidence = self._progress, self._progress.evidence
        self._leave()
        if refused.reason is Reason.INVALID_BEARER:
            evidence.agent_id = ""
        else:
            self._attribute()
        evidence.error = refused.error or evidence.error
        evidence.denied = refused.denied
        evidence.denial_reason = refused.reason.value if refused.denied else ""
        if not refused.denied:
            evidence.error = evidence.error or f"{refused.reason.value}: {refused.message}"
        if on.relay and on.relay.started:
            await self._break_off(on.relay, refused)
        shaped = answer.shape(refused, self._context())
        evidence.status = shaped.status
        evidence.output.add(shaped.body)
        await self._settling.settle_anyhow()
        if on.call is not None and on.call.legacy:
            # Settled before: whoever leaves while the server has it leaves a record.
            shaped = await self._sent_round(refused, shaped, on.call)
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
        verdict = self._progress.verdict
        may = verdict is not None and verdict.open and refused.reason not in _STAYS
        if not may or self._line.rules.plain_denials:
            return shaped
        return await send_round(self._line, self._scope, self._progress.evidence, call, shaped)

    async def _break_off(self, relay: Relay, refused: Refused) -> NoReturn:
        """The answer has begun: say it in the stream's own way, then cut the connection."""
        context = self._context()
        await self._settling.settle_anyhow()
        if relay.streaming:
            await relay.push(answer.in_stream(refused, context, begun=relay.begun))
        raise Abort

    async def cancelled(self) -> None:
        """The client went away, the process stops, or an operator stopped this agent.

        Raises Abort, but for the last, which is a refusal, where no other end is on record.
        """
        evidence = self._progress.evidence
        stopped = self._line.in_flight.was_stopped()
        _go_on()  # what follows awaits the store
        await self._ask_who()
        self._attribute()
        if stopped and not self._settling.done:
            message = f"agent {evidence.agent_id!r} was stopped during this call"
            await self.refuse(Refused(Reason.AGENT_QUARANTINED, message))
            return
        evidence.error = evidence.error or "client went away"
        await self._settling.settle_anyhow()
        raise Abort

    async def _ask_who(self) -> None:
        """What an admission reserved is given back by the settlement of that agent alone, and
        whether it is the agent may have been in the answer that nobody waited for."""
        who, asked = self._progress.claim, self._progress.attempt.admission
        known = who is None or self._line.verified.within(who, _REMEMBERED_S)
        if who is not None and asked is not None and not known:
            with suppress(StoreUnavailable, asyncio.CancelledError):
                await authenticate(self._line, who, new_id(16))
            _go_on()  # cancelled once more, it is nobody's

    def _attribute(self) -> None:
        """Whose call it was, as far as this worker knows without the store."""
        who = self._progress.claim
        if who is not None and self._line.verified.within(who, _REMEMBERED_S):
            self._progress.evidence.agent_id = who.agent_id

    def _context(self) -> answer.Context:
        on = self._progress
        # The family decides the shape even where the body was never understood.
        call, agent_id = on.call, on.evidence.agent_id
        find = self._line.directory.find
        # A stranger does not learn from the shape what is registered.
        place = find(on.head.authority, on.head.path) if agent_id else None
        provider, family = classify.spoken(on.head, place)
        return answer.Context(
            decision_id=on.evidence.decision_id,
            agent_id=agent_id or (on.claim.agent_id if on.claim else ""),
            policy_version=on.evidence.policy_version,
            provider=provider,
            family=family,
            plain=self._line.rules.plain_denials,
            spoken=(call.mcp or call.a2a) if call else None,
            streams=self._takes_messages(call),
        )

    def _takes_messages(self, call: Call | None) -> bool:
        """Whether the client reads a refusal as a message of its protocol, with status 200."""
        legacy = call is not None and call.legacy
        return self._progress.in_batch or legacy or self._progress.head.accepts(EVENT_STREAM)


def _go_on() -> None:
    """As if this task had not been cancelled."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
