"""One call as it is judged: whose it is, in which turn, and what was tried for it."""

from __future__ import annotations

from dataclasses import dataclass

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.store.admission import Admission


@dataclass(frozen=True, slots=True)
class TurnClaim:
    """The turn of a call: a signed one, or the agent's ambient turn. `depth` hops from agent to
    agent before it."""

    turn_id: str = ""
    trace_id: str = ""
    parent_span: str = ""
    depth: int = 0

    @property
    def ambient(self) -> bool:
        return not self.turn_id

    @property
    def conversation(self) -> Conversation:
        """Of a signed turn."""
        return Conversation(self.trace_id, self.parent_span, self.depth)


@dataclass(frozen=True, slots=True)
class Asking:
    """One call that is to be judged: whose, which turn's, and the ids that the record will have.
    `facts`: what its record would say if this worker died (store.open_calls)."""

    decision_id: str
    span_id: str
    who: Claim
    turn: TurnClaim
    call: Call
    facts: str = ""


@dataclass(slots=True)
class Attempt:
    """The last admission that was asked for, whether or not its answer came; `hopped` the agent
    in whose turn a hop was noted."""

    admission: Admission | None = None
    hopped: str = ""
