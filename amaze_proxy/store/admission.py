"""Admit and settle: the two store calls of a governed call, as typed records.

Not frozen, though nobody changes them: each is made once in every call, and a frozen one takes
three times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from amaze_proxy.policy.decision import GraphMove, Limit, Reason
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.usage import Charge


@dataclass(slots=True)
class Admission:
    """One call's request to pass.

    `credential_sha256` hex; `policy_version` the version the decision was made with (0: the agent
    had no policy). `check_only`: the decision was already a denial, so authenticate and compare
    the version, but reserve nothing. `discovery`: pending agents may do this. `turn_id` the
    turn's counters. `user_message`: for an ambient turn, start a new one first. `facts`: what is
    told of the call if its worker dies before it settles (`open_calls.facts_of`).
    """

    decision_id: str
    agent_id: str
    credential_sha256: str
    policy_version: int
    turn_id: str
    limits: tuple[Limit, ...] = ()
    charge: Charge = Charge()
    graph: GraphMove | None = None
    budget_blocks: bool = True
    violation_blocks: bool = True
    lower_output_limit: bool = False
    check_only: bool = False
    discovery: bool = False
    ambient: bool = False
    user_message: bool = False
    shadow: bool = False
    facts: str = ""


class Outcome(StrEnum):
    ADMITTED = "admitted"
    REFUSED = "refused"
    STALE = "stale"  # the policy changed: reload, decide again


@dataclass(slots=True)
class LimitState:
    """How a limit stands after this admission."""

    name: str
    maximum: int
    used: int

    @property
    def left(self) -> int:
        return max(0, self.maximum - self.used)


@dataclass(slots=True)
class Admitted:
    """The store's answer. `granted_output` is the output limit to put in the request when
    `lower_output_limit` was asked (-1: leave the request as it is). `expected` says which graph
    step was due on a graph refusal. `retry_after_ms` is when the window may have room (0: not
    known). `turn_id` is the turn that was charged (ambient turns are numbered by the store). For
    an ambient call, `depth` is the greatest of the A2A messages that are on their way to this
    agent (0: none), `trace_id` and `parent_span` those of the latest one ("": none)."""

    outcome: Outcome
    reason: Reason | None = None
    alerts: tuple[Reason, ...] = ()
    limits: tuple[LimitState, ...] = ()
    failed_limit: str = ""
    expected: str = ""
    step: int | None = None
    granted_output: int = -1
    retry_after_ms: int = 0
    turn_id: str = ""
    policy_version: int = 0
    session_id: str = ""
    depth: int = 0
    trace_id: str = ""
    parent_span: str = ""


@dataclass(slots=True)
class Settlement:
    """What a call really used, and its record. `charged` False gives the whole reservation back
    (nothing was forwarded). `burn_step` False puts the graph position back (upstream error)."""

    decision_id: str
    agent_id: str
    record: AuditRecord
    limits: tuple[Limit, ...] = ()
    turn_id: str = ""
    tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0
    mean_key: str = ""
    charged: bool = True
    burn_step: bool = True
    stored: str = ""  # the sealed record's stored form, once the gate has made it


@dataclass(frozen=True, slots=True)
class Link:
    """A written record's place in its chain."""

    writer: str
    seq: int
    hash: str


class Gate(Protocol):
    """What the pipeline needs of the store for one call; `store.gate` implements it."""

    async def admit(self, admission: Admission) -> Admitted:
        """One function call. Raises StoreUnavailable (also after 250 ms)."""
        ...

    async def settle(self, settlement: Settlement) -> Link:
        """Charge the real usage and append the sealed record; where it stands.

        Idempotent by decision id. When the store does not take it, it goes to the journal, and
        still returns; raises StoreUnavailable only when the journal cannot be written either.
        """
        ...
