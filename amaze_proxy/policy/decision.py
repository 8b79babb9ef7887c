"""What was decided, why, and what must be held to for the call to pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.policy.usage import Measure


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


class Reason(StrEnum):
    """Every reason a call can be refused for; the values are what clients script against."""

    INVALID_BEARER = "invalid-bearer"
    AGENT_NOT_APPROVED = "agent-not-approved"
    AGENT_QUARANTINED = "agent-quarantined"
    POLICY_NOT_FOUND = "policy-not-found"
    NOT_ALLOWED = "not-allowed"
    MCP_NOT_ALLOWED = "mcp-not-allowed"
    TOOL_NOT_ALLOWED = "tool-not-allowed"
    ARGUMENT_NOT_ALLOWED = "argument-not-allowed"
    TOOL_CHANGED = "tool-changed"
    LLM_NOT_ALLOWED = "llm-not-allowed"
    HOST_NOT_ALLOWED = "host-not-allowed"
    GRAPH_VIOLATION = "graph_violation"
    EDGE_LOOP_EXCEEDED = "edge_loop_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    RATE_LIMIT_EXCEEDED = "rate-limit-exceeded"
    MALFORMED_REQUEST = "malformed-request"
    AUTHORITY_MISMATCH = "authority-mismatch"
    REQUEST_TOO_LARGE = "request-too-large"
    INVALID_TURN = "invalid-turn"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    REDIS_UNAVAILABLE = "redis-unavailable"
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class Limit:
    """One budget that the call must fit. `window_ms` 0: per turn.

    `name` is unique in a policy and stable: `tokens`, `cost`, `tool_calls`, `agent_calls` for a
    turn, `tokens:10m`, `cost:1h` for windows.
    """

    name: str
    measure: Measure
    maximum: int
    window_ms: int = 0

    @property
    def reason(self) -> Reason:
        """Why a call over this limit is refused."""
        return Reason.RATE_LIMIT_EXCEEDED if self.window_ms else Reason.BUDGET_EXCEEDED


@dataclass(frozen=True, slots=True)
class GraphStep:
    """A step that this call could be: it may come after `after` steps (None = begins the turn).

    The step itself is never in `after` (looping is always a possibility, up to `max_loops`
    runs in a turn; 0 = unlimited).
    """

    step_id: int
    after: tuple[int | None, ...]
    max_loops: int


@dataclass(frozen=True, slots=True)
class GraphMove:
    """The steps of a strict graph that this call matches, in the policy's order.

    `expected` maps a position to the callees that may come next, for the refusal's words:
    pairs of (step or None, text).
    """

    candidates: tuple[GraphStep, ...]
    expected: tuple[tuple[int | None, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Obligations:
    """What the enforcement point must check atomically, reserve and do for an allowed call."""

    limits: tuple[Limit, ...] = ()
    graph: GraphMove | None = None
    budget_blocks: bool = True  # on_budget_exceeded: block
    violation_blocks: bool = True  # on_violation: block (graph violations are judged late)
    lower_output_limit: bool = False  # hard_budgets
    block_streaming: bool = False  # streaming: block
    shadow: bool = False  # enforcement: shadow


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict. `alerts` are reasons that would have denied but that the policy lets pass;
    `would_deny` is set in shadow mode instead of a denial."""

    effect: Effect
    reason: Reason | None = None
    message: str = ""
    advice: str = ""
    alerts: tuple[Reason, ...] = ()
    would_deny: Reason | None = None
    obligations: Obligations = Obligations()

    @property
    def allowed(self) -> bool:
        return self.effect is Effect.ALLOW
