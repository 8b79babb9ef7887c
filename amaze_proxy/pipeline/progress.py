"""How far one call has come: what the parts of the line leave for each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from amaze_proxy.pipeline.asking import Attempt, TurnClaim
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.enforce import Verdict
from amaze_proxy.pipeline.evidence import Evidence
from amaze_proxy.pipeline.handling import Handling, Passing
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.relay import Relay


@dataclass(slots=True)
class Progress:
    """Filled while the call walks the line; None: it has not come so far. `in_batch`: it is one
    message of a batch, so that its refusal is a message too."""

    head: Head
    evidence: Evidence
    in_batch: bool = False
    claim: Claim | None = None
    turn: TurnClaim = TurnClaim()
    call: Call | None = None
    attempt: Attempt = field(default_factory=Attempt)
    verdict: Verdict | None = None
    handling: Handling = field(default_factory=Passing)
    relay: Relay | None = None
