"""A policy in a few lines of words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from amaze_app import format, routes
from amaze_app.gateway.policies import Current, Policy, parse

_NAMES = 6


@dataclass(frozen=True)
class Fact:
    """A line of the summary."""

    name: str
    text: str


@dataclass(frozen=True)
class PolicyCard:
    """The active policy; version 0: there is none. `waits`: it is not yet in force."""

    version: int = 0
    href: str = ""
    author: str = ""
    comment: str = ""
    created_ms: int = 0
    waits: bool = False
    facts: list[Fact] = field(default_factory=list)


def policy_card(agent_id: str, current: Current | None) -> PolicyCard:
    """The summary of the active policy."""
    if current is None:
        return PolicyCard()
    version = current.version
    return PolicyCard(
        version=version.version,
        href=routes.policy_version(agent_id, version.version),
        author=version.author,
        comment=version.comment,
        created_ms=version.created_ms,
        waits=current.in_force is False,
        facts=facts(parse(version.document)),
    )


def facts(policy: Policy) -> list[Fact]:
    """What it allows, and up to what."""
    return [Fact(name, text) for name, text in _facts(policy)]


def _facts(policy: Policy) -> Iterator[tuple[str, str]]:
    steps = f", a graph of {len(policy.graph.steps)} steps" if policy.graph else ""
    otherwise = "by graph" if steps else "none"
    yield "Mode", f"{policy.mode}{steps}"
    yield "Enforcement", str(policy.enforcement)
    models = policy.allowed_models or tuple(f"{one}/*" for one in policy.allowed_llm_providers)
    yield "Models", _named(models)
    yield "Tools", _named(policy.allowed_tools, otherwise)
    yield "Agents", _named(policy.allowed_agents, otherwise)
    if policy.allowed_hosts:
        yield "Hosts", _named(policy.allowed_hosts)
    if policy.allowed_callers is not None:
        yield "Callers", _named(policy.allowed_callers)
    yield "A turn", "; ".join(_limits(policy)) or "no limit"
    if windows := [
        *(f"{one.max_tokens:,} tokens in {one.window}" for one in policy.token_rate_limits),
        *(f"${one.max_usd} in {one.window}" for one in policy.cost_rate_limits),
    ]:
        yield "Windows", "; ".join(windows)


def _limits(policy: Policy) -> Iterator[str]:
    for most, what in (
        (policy.max_tokens_per_turn, "tokens"),
        (policy.max_tool_calls_per_turn, "tool calls"),
        (policy.max_agent_calls_per_turn, "agent calls"),
    ):
        if most:
            yield f"{most:,} {what}"
    if policy.max_cost_microusd_per_turn:
        yield format.cost(policy.max_cost_microusd_per_turn)


def _named(names: tuple[str, ...], otherwise: str = "none") -> str:
    return format.some(names, _NAMES) if names else otherwise
