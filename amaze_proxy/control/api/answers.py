"""What the routes answer, for the OpenAPI description; a test holds the real answers to it."""

from __future__ import annotations

from pydantic import BaseModel, Field, RootModel

from amaze_proxy.control.policy_diff import Change
from amaze_proxy.control.sequence import Participant, Violation
from amaze_proxy.control.simulate import Flip
from amaze_proxy.history.alerts import Alert
from amaze_proxy.policy.record import AuditRecord


class Health(BaseModel):
    status: str
    parts: dict[str, str]
    instance: str
    version: str


class Registered(BaseModel):
    agent_id: str
    session_id: str
    bearer_token: str
    status: str
    in_force: bool


class RegisteredMcp(BaseModel):
    name: str
    url: str
    status: str
    in_force: bool
    message: str


class Turn(BaseModel):
    turn: str
    turn_id: str
    trace_id: str
    issued_ms: int


class AgentPlace(BaseModel):
    agent_id: str
    status: str
    a2a_host: str | None
    a2a_port: int | None
    chat_host: str | None
    chat_port: int | None


class Held(BaseModel):
    created_ms: int
    expires_ms: int | None


class PendingClaim(BaseModel):
    claim: str
    created_ms: int
    a2a_host: str | None
    a2a_port: int | None
    chat_host: str | None
    chat_port: int | None


class Agent(AgentPlace):
    owner: str
    quarantined_by: str | None
    session_id: str
    created_ms: int
    updated_ms: int
    credentials: list[Held]
    pending: PendingClaim | None


class AgentPage(BaseModel):
    agents: list[Agent]
    next: str | None


class IssuedCredential(BaseModel):
    agent_id: str
    status: str
    credential: str
    in_force: bool


class Replied(BaseModel):
    reply: object
    trace_id: str
    turn_id: str
    denials: list[dict[str, object]] = Field(description="AuditRecords, each with a `sentence`")


class AuditRecords(RootModel[list[AuditRecord]]):
    """The newest first."""


class Sums(BaseModel):
    calls: int
    denied: int
    tokens_in: int
    tokens_out: int
    cost_microusd: int


class NamedSums(Sums):
    name: str


class BucketSums(Sums):
    ts: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None


class Stats(BaseModel):
    since: int
    until: int
    bucket: int
    total: BucketSums
    buckets: list[BucketSums]
    by_tool: list[NamedSums]
    by_model: list[NamedSums]
    by_peer: list[NamedSums]
    by_reason: list[NamedSums]


class AgentStats(Stats):
    agent_id: str
    live: object = Field(description="the last hour, where the store has time series")


class Trace(Sums):
    trace_id: str
    agents: list[str]
    started_ms: int
    ended_ms: int
    alerts: int
    errors: int
    what: list[str] = Field(description="the first few tools, models or targets called")
    status: str


class TracePage(BaseModel):
    traces: list[Trace]
    next: str | None


class TraceDetail(BaseModel):
    trace_id: str
    summary: Trace
    participants: list[Participant]
    turns: list[dict[str, object]]
    steps: list[dict[str, object]] = Field(
        description="AuditRecords, each with its place, lanes, verdict, parent and limits"
    )
    edges: list[dict[str, object]]
    violations: list[Violation]


class ReasonCount(BaseModel):
    reason: str
    alerts: int
    denied: int


class AlertPage(BaseModel):
    reasons: list[ReasonCount]
    alerts: list[Alert]
    next: str | None


class PolicyInfo(BaseModel):
    agent_id: str
    version: int
    parent: int | None
    author: str
    created_ms: int
    comment: str
    sha256: str


class PolicyVersion(PolicyInfo):
    policy: dict[str, object]


class ActivePolicy(PolicyVersion):
    in_force: bool


class PolicyVersionPage(BaseModel):
    versions: list[PolicyInfo]
    next: int | None


class PolicyDiff(BaseModel):
    agent_id: str
    from_: int | None = Field(alias="from")
    to: int
    changes: list[Change]


class Remark(BaseModel):
    field: str
    line: int | None
    message: str


class Validated(BaseModel):
    valid: bool
    errors: list[Remark]
    warnings: list[Remark]
    sha256: str = Field("", description="of a valid one")
    canonical: str = Field("", description="of a valid one")


class CallSum(BaseModel):
    calls: int
    tokens: int
    cost_microusd: int


class Undecidable(BaseModel):
    why: str
    calls: int


class Simulated(BaseModel):
    since_ms: int
    cut: bool
    calls: int
    unchanged: int
    now_denied: CallSum
    now_allowed: CallSum
    undecidable: list[Undecidable]
    flips: list[Flip]
