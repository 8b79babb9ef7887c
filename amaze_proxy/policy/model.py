"""The policy of one agent: the model that proxy, control API and UI share.

Everything is denied unless a field grants it. For amounts, 0 or absent = unlimited. Amounts of
money are written in dollars and read through the `*_microusd` properties; windows are written as
`10m` and read through `window_ms`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from amaze_proxy.policy import fields
from amaze_proxy.policy.argument import ArgumentRule
from amaze_proxy.policy.decision import Limit
from amaze_proxy.policy.document import NotUnderstood, read_document
from amaze_proxy.policy.fields import (
    AgentId,
    Count,
    Dollars,
    Flag,
    Given,
    Glob,
    HostPattern,
    MemberName,
    ProviderName,
    ScopedGlob,
    Strict,
    Text,
    Window,
    optional,
)
from amaze_proxy.policy.problems import PolicyError, Problem, found_by
from amaze_proxy.policy.steps import Graph
from amaze_proxy.policy.usage import Measure

__all__ = [
    "CostRateLimit",
    "Enforcement",
    "Mode",
    "OnBreach",
    "OnToolChange",
    "Policy",
    "PolicyError",
    "Problem",
    "Streaming",
    "TokenRateLimit",
    "TurnDetection",
    "Turns",
    "UnknownPrice",
    "canonical_json",
    "load_policy",
    "parse_policy",
    "sha256",
]


class OnBreach(StrEnum):
    BLOCK = "block"
    ALLOW = "allow"  # let it pass; an alert is written either way


class OnToolChange(StrEnum):
    ALERT = "alert"  # let it pass; an alert is written
    DENY = "deny"


class Mode(StrEnum):
    FLEXIBLE = "flexible"
    STRICT = "strict"


class Streaming(StrEnum):
    PASSTHROUGH = "passthrough"
    BLOCK = "block"


class UnknownPrice(StrEnum):
    DENY = "deny"
    WORST_CASE = "worst_case"
    ALLOW = "allow"


class Turns(StrEnum):
    ANY = "any"
    GATEWAY = "gateway"  # only turns that the control plane or a hop minted


class TurnDetection(StrEnum):
    USER_MESSAGE = "user_message"
    NONE = "none"


class Enforcement(StrEnum):
    ENFORCE = "enforce"
    SHADOW = "shadow"  # decide, record what would have happened, let it pass


class TokenRateLimit(Strict):
    """So many tokens in a sliding window."""

    window: Window
    max_tokens: Count

    @property
    def window_ms(self) -> int:
        return fields.window_ms(self.window)


class CostRateLimit(Strict):
    """So much money in a sliding window."""

    window: Window
    max_usd: Dollars

    @property
    def window_ms(self) -> int:
        return fields.window_ms(self.window)

    @property
    def max_microusd(self) -> int:
        return fields.microusd(self.max_usd)


class Policy(Strict):
    """What one agent may do. The empty policy allows nothing but MCP discovery."""

    name: Text = ""

    max_tokens_per_turn: Count = 0
    max_tool_calls_per_turn: Count = 0
    max_agent_calls_per_turn: Count = 0
    max_cost_usd_per_turn: Dollars = Decimal(0)
    token_rate_limits: tuple[TokenRateLimit, ...] = ()
    cost_rate_limits: tuple[CostRateLimit, ...] = ()
    hard_budgets: Flag = Field(
        False, description="lower the output limit of requests to what is left"
    )
    on_budget_exceeded: OnBreach = OnBreach.BLOCK
    on_violation: OnBreach = OnBreach.BLOCK

    allowed_llm_providers: tuple[ProviderName, ...] = ()
    allowed_models: tuple[ScopedGlob, ...] = Field(
        (), description="provider/pattern; empty: any model of the allowed providers"
    )
    allowed_provider_tools: tuple[Glob, ...] = Field(
        (), description="tools that run at the provider's side: tool or provider/tool, '*' matches"
    )
    unknown_price: UnknownPrice = UnknownPrice.WORST_CASE

    mode: Mode = Mode.FLEXIBLE
    allowed_tools: tuple[MemberName, ...] = Field((), description="tool or server/tool")
    allowed_agents: tuple[AgentId, ...] = ()
    graph: Graph | None = optional("the order of a turn's calls, with mode: strict")
    max_agent_depth: Count = Field(8, description="hops from agent to agent in one conversation")
    allowed_callers: Annotated[tuple[AgentId, ...] | None, Given] = optional(
        "who may call this agent; absent: anyone"
    )

    tool_rules: dict[MemberName, dict[str, ArgumentRule]] = Field(
        default_factory=dict, description="{tool or server/tool: {argument: rule}}"
    )
    on_tool_change: OnToolChange = Field(
        OnToolChange.ALERT, description="an MCP tool that is not what an operator has accepted"
    )
    allowed_resources: tuple[ScopedGlob, ...] = Field(
        (), description="server/pattern of the URIs of MCP resources"
    )
    allowed_prompts: tuple[MemberName, ...] = Field((), description="prompt or server/prompt")
    allow_sampling: Flag = Field(False, description="MCP servers may ask this agent's model")
    allow_elicitation: Flag = Field(False, description="MCP servers may ask this agent's user")
    allowed_hosts: tuple[HostPattern, ...] = Field((), description="host or *.suffix")

    streaming: Streaming = Streaming.PASSTHROUGH
    turns: Turns = Turns.ANY
    turn_detection: TurnDetection = TurnDetection.USER_MESSAGE
    enforcement: Enforcement = Enforcement.ENFORCE

    @property
    def max_cost_microusd_per_turn(self) -> int:
        return fields.microusd(self.max_cost_usd_per_turn)

    @cached_property
    def llm_limits(self) -> tuple[Limit, ...]:
        """What a model call counts against; kept, because every such call asks for it."""
        return tuple(self._llm_limits())

    def _llm_limits(self) -> Iterator[Limit]:
        if self.max_tokens_per_turn:
            yield Limit("tokens", Measure.TOKENS, self.max_tokens_per_turn)
        if self.max_cost_microusd_per_turn:
            yield Limit("cost", Measure.COST, self.max_cost_microusd_per_turn)
        for tokens in self.token_rate_limits:
            if tokens.max_tokens:
                name = f"tokens:{tokens.window}"
                yield Limit(name, Measure.TOKENS, tokens.max_tokens, tokens.window_ms)
        for cost in self.cost_rate_limits:
            if cost.max_microusd:
                name = f"cost:{cost.window}"
                yield Limit(name, Measure.COST, cost.max_microusd, cost.window_ms)

    @model_validator(mode="after")
    def _mode_and_graph(self) -> Self:
        if self.mode is Mode.STRICT and self.graph is None:
            raise ValueError("mode: strict needs a graph with start_step and steps")
        if self.mode is Mode.FLEXIBLE and self.graph is not None:
            raise ValueError("mode: flexible has no graph: remove graph, or set mode: strict")
        return self

    @model_validator(mode="after")
    def _windows_once(self) -> Self:
        # a window's length names its counter
        for field in ("token_rate_limits", "cost_rate_limits"):
            seen: set[int] = set()
            for limit in getattr(self, field):
                if limit.window_ms in seen:
                    raise ValueError(f"{field} has the window {limit.window} twice")
                seen.add(limit.window_ms)
        return self


def parse_policy(data: object) -> Policy:
    """The policy that plain data (of JSON or YAML) stands for. Raises PolicyError."""
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise PolicyError(found_by(error)) from None


def load_policy(text: str) -> Policy:
    """The policy that is written as YAML or JSON. Raises PolicyError."""
    try:
        data = read_document(text)
    except NotUnderstood as error:
        raise PolicyError((Problem("", f"the policy {error}"),)) from None
    if not isinstance(data, dict):
        raise PolicyError((Problem("", "the policy must be a mapping of fields; {} denies all"),))
    return parse_policy(data)


def canonical_json(policy: Policy) -> str:
    """The one text of a policy: what differs from the defaults, keys sorted, no white space.

    Loading it gives an equal policy; lists keep their order.
    """
    body = policy.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(policy: Policy) -> str:
    """SHA-256 in hex over the UTF-8 of the canonical text."""
    return hashlib.sha256(canonical_json(policy).encode()).hexdigest()
