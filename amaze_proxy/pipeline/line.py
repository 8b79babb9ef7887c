"""What every call of a worker shares: the wired parts and the rules of this installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from amaze_proxy.pipeline.conversation import Ambients
from amaze_proxy.pipeline.directory import Directory
from amaze_proxy.pipeline.inflight import InFlight
from amaze_proxy.pipeline.policies import PolicyCache
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.pipeline.strangers import Strangers
from amaze_proxy.pipeline.verified import Verified
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.protocols.prices import PriceBook
from amaze_proxy.protocols.tracecontext import TraceContext
from amaze_proxy.store.admission import Gate
from amaze_proxy.store.peers import Callee, Hop
from amaze_proxy.store.registry import LlmHost, McpServer
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.upstream import Target, Upstreams


class Spans:
    """Where a finished call is told to tracing; this one tells nobody."""

    @property
    def exported(self) -> int:
        """Spans that the collector took."""
        return 0

    @property
    def dropped(self) -> int:
        """Spans that were lost, because the collector did not take them (in time)."""
        return 0

    def emit(self, record: AuditRecord, sent: TraceContext | None = None) -> None:
        """One span for one recorded call; `sent` is the context that the client told. Never
        blocks, never raises."""

    def close(self) -> None:
        """Send what is left. Blocks for 2 s at most."""


class Meters:
    """Where every call is counted once; this one counts nothing."""

    def ended(self, record: AuditRecord) -> None:
        """A call has ended, recorded or not. Never blocks, never raises."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings that a call is handled by. Sizes in bytes."""

    turn_key: bytes
    places: Mapping[str, Authority] = field(default_factory=dict)
    plain_denials: bool = False
    audit_body_max: int = 262_144
    request_body_max: int = 67_108_864
    answer_body_max: int = 67_108_864

    def target(self, authority: Authority, owner: str, private: bool = False) -> Target:
        """Where a call to `authority` is dialled; a place that the operator set or that is
        registered may be `private`."""
        place = self.places.get(f"{authority.host}:{authority.port}") or self.places.get(
            authority.host
        )
        return Target(authority, place, allow_private=private or place is not None, owner=owner)


class Peers(Protocol):
    """What the store knows of the places that calls go to; `store.peers` is one."""

    async def hop(self, hop: Hop) -> Callee: ...
    async def look(self, callee: str) -> Callee: ...
    async def hop_end(self, callee: str, decision_id: str, *, reached: bool = True) -> None: ...
    def hop_ended(self, callee: str, decision_id: str, *, reached: bool) -> None: ...
    async def mcp(self, name: str, tool: str = "") -> McpServer | None: ...
    async def llm(self, name: str) -> LlmHost | None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """The parts that a call walks through."""

    gate: Gate
    policies: PolicyCache
    prices: PriceBook
    upstreams: Upstreams
    rules: Rules
    in_flight: InFlight
    directory: Directory
    peers: Peers
    seal: Seal
    spans: Spans = field(default_factory=Spans)
    meters: Meters = field(default_factory=Meters)
    verified: Verified = field(default_factory=Verified)
    strangers: Strangers = field(default_factory=Strangers)
    ambients: Ambients = field(default_factory=Ambients)
