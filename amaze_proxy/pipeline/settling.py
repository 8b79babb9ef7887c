"""The end of every call: charged, recorded and told to tracing, exactly once."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from amaze_proxy.pipeline.calls import context_in
from amaze_proxy.pipeline.line import Line
from amaze_proxy.pipeline.progress import Progress
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.errors import StoreUnavailable

log = logging.getLogger("amaze.proxy")


class Settling:
    """Of one call. `done`: it is settled, or others settle for it."""

    def __init__(self, line: Line, progress: Progress) -> None:
        self._line = line
        self._progress = progress
        self.done = False

    async def settle_anyhow(self) -> None:
        """On a way out that gives no answer of the target: it is taken also unrecorded."""
        relay = self._progress.relay
        with suppress(StoreUnavailable):
            await self.settle(relay.used() if relay else None)

    async def settle(self, used: Used | None) -> None:
        """Charge and record, exactly once. `used` None: nothing was used, give all back."""
        if self.done:
            return
        self.done = True
        on, evidence = self._progress, self._progress.evidence
        if used is not None:
            evidence.tokens_in, evidence.tokens_out = used.input, used.output
            evidence.tokens_cached, evidence.estimated = used.cached, used.estimated
            evidence.cost_microusd = used.cost_microusd
        ended = evidence.record()
        self._line.meters.ended(ended)
        record = self._line.strangers.worth(ended)
        if on.attempt.hopped:  # the callee's ambient calls are its own again
            reached = record is not None and used is not None
            self._line.peers.hop_ended(on.attempt.hopped, evidence.decision_id, reached=reached)
        if record is None:
            await self._learn()
            return
        tried = on.attempt.admission
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
            mean_key=on.verdict.charge.mean_key if on.verdict else "",
            charged=used is not None,
            burn_step=used is not None and used.burn_step,
        )
        # Begun, it is written even if this task is cancelled: whoever leaves now is still charged.
        # Not in a task of its own, which could be cancelled before it begins.
        try:
            await self._line.gate.settle(settlement)
            await self._learn()
        except StoreUnavailable:
            log.critical("decision %s: neither store nor journal took it", record.decision_id)
            raise
        except asyncio.CancelledError:
            self._tell(record)
            raise
        self._tell(record)

    def _tell(self, record: AuditRecord) -> None:
        on = self._progress
        self._line.spans.emit(record, context_in(on.head, on.call))

    async def _learn(self) -> None:
        """Before its reader has the end of a card, its addresses are known as the agent's."""
        urls, call = self._progress.handling.card_urls(), self._progress.call
        if urls and call is not None:
            with suppress(StoreUnavailable):  # it is learned with the next one
                await self._line.directory.learn(call.callee, urls)
