"""What people change, in the same tamper-evident log as the calls: the stream `_admin`.

An act has two records. One is written before it: who, what, and how it was (`input`). Where
neither the store nor the journal takes it, the act does not happen. The other one is written
after it, with the outcome (`status`, `error`) and how it is now (`output`); its `parent_span_id`
is the first one's `span_id`. An act that was broken off has the first one alone.

All are in one stream, not in those of the agents: an agent reads its own stream, and who
administers it is not its business; and numbers about an agent's calls count its stream.

Fields: `caller` who, `tool` what (`agents.approve`), `target` to what (`agent/web-1`),
`session_id` from where and by which credential, `method` and `path` as they were asked.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from dataclasses import dataclass

from amaze_proxy.control.clock import Clock
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Gate, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.keys import ADMIN_LOG

log = logging.getLogger(__name__)

KIND = "admin"
_MOST = 256 * 1024  # bytes of a state that are kept, as of a call's body
_SHORT = 500
# What an answer shows once, and what an agent has said: that is in the agent's own log.
_LEFT_OUT = frozenset(
    ("credential", "bearer_token", "key", "token", "password", "turn", "reply", "denials")
)
_DOCUMENT = "policy"  # its keys are names of arguments: whoever wrote it knows it is kept


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody changes something. `via` names the credential, `old` is JSON ("": nothing)."""

    who: str
    via: str
    address: str
    what: str
    target: str
    method: str
    path: str
    old: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; `new` is JSON ("": nothing is there)."""

    status: int
    new: str = ""
    error: str = ""


class Acts:
    """Writes the log."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock

    async def begin(self, act: Act) -> str:
        """The record before the act; its span id. Raises StoreUnavailable: do not act then."""
        record = self._record(act)
        await self._write(record)
        return record.span_id

    async def end(self, act: Act, begun: str, outcome: Outcome) -> None:
        """The record after it. Never raises for the store: what was done is done, and begun is in
        the log."""
        try:
            await self.note(act, outcome, begun)
        except StoreUnavailable:
            log.error("the outcome of %s %s is not recorded", act.what, act.target)

    async def note(self, act: Act, outcome: Outcome, begun: str = "") -> None:
        """One record with the outcome. Raises StoreUnavailable."""
        record = self._record(act)
        record.parent_span_id = begun
        record.status, record.error = outcome.status, outcome.error
        record.output, record.output_size, record.output_sha256 = _kept(outcome.new)
        record.truncated = max(record.input_size, record.output_size) > _MOST
        await self._write(record)

    def _record(self, act: Act) -> AuditRecord:
        old, size, digest = _kept(act.old)
        return AuditRecord(
            decision_id=secrets.token_hex(16),
            ts=self._clock(),
            agent_id=ADMIN_LOG,
            kind=KIND,
            span_id=secrets.token_hex(8),
            session_id=f"{act.address} {act.via}",
            caller=act.who,
            target=act.target[:_SHORT],
            tool=act.what,
            method=act.method,
            path=act.path[:_SHORT],
            input=old,
            input_size=size,
            input_sha256=digest,
            truncated=size > _MOST,
        )

    async def _write(self, record: AuditRecord) -> None:
        await self._gate.settle(Settlement(record.decision_id, ADMIN_LOG, record, charged=False))


def told(value: object) -> str:
    """JSON of a state for the log, without the secrets that an answer shows once."""
    return json.dumps(_without_secrets(value), ensure_ascii=False)


def holds_secret(value: object) -> bool:
    """Whether `told` leaves something out."""
    return _without_secrets(value) != value


def _without_secrets(value: object) -> object:
    match value:
        case dict():
            return {name: _member(name, one) for name, one in value.items()}
        case list() | tuple():
            return [_without_secrets(one) for one in value]
        case _:
            return value


def _member(name: str, value: object) -> object:
    if name in _LEFT_OUT and value is not None:
        return "[left out]"
    return value if name == _DOCUMENT else _without_secrets(value)


def _kept(text: str) -> tuple[str, int, str]:
    if not text:
        return "", 0, ""
    whole = text.encode("utf-8", "surrogatepass")
    return whole[:_MOST].decode("utf-8", "ignore"), len(whole), hashlib.sha256(whole).hexdigest()
