from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from amaze_proxy.policy.model import (
    CostRateLimit,
    Enforcement,
    Mode,
    OnBreach,
    Policy,
    PolicyError,
    Streaming,
    TokenRateLimit,
    TurnDetection,
    Turns,
    UnknownPrice,
    canonical_json,
    load_policy,
    parse_policy,
    sha256,
)

POLICIES = Path(__file__).parent.parent / "data" / "policies"
GRAPH = {"start_step": 1, "steps": [{"step_id": 1, "call_type": "tool", "callee_id": "t"}]}
FULL: dict[str, Any] = {
    "name": "p",
    "max_tokens_per_turn": 1,
    "max_tool_calls_per_turn": 2,
    "max_agent_calls_per_turn": 3,
    "max_cost_usd_per_turn": 0.5,
    "token_rate_limits": [{"window": "10m", "max_tokens": 4}],
    "cost_rate_limits": [{"window": "1d", "max_usd": 1.25}],
    "hard_budgets": True,
    "on_budget_exceeded": "allow",
    "on_violation": "allow",
    "allowed_llm_providers": ["openai"],
    "allowed_models": ["openai/gpt-*"],
    "allowed_provider_tools": ["web_search"],
    "unknown_price": "deny",
    "mode": "strict",
    "allowed_tools": ["t", "s/t"],
    "allowed_agents": ["bob"],
    "graph": GRAPH,
    "max_agent_depth": 2,
    "allowed_callers": ["eve"],
    "tool_rules": {"t": {"x": {"matches": "a+", "max_length": 3}, "y": {"absent": False}}},
    "on_tool_change": "deny",
    "allowed_resources": ["docs/file:///*"],
    "allowed_prompts": ["p"],
    "allow_sampling": True,
    "allow_elicitation": True,
    "allowed_hosts": ["example.com"],
    "streaming": "block",
    "turns": "gateway",
    "turn_detection": "none",
    "enforcement": "shadow",
}


def test_the_flexible_example() -> None:
    policy = load_policy((POLICIES / "policy-flexible.yaml").read_text())
    assert policy == Policy(
        name="research-agent-policy",
        max_tokens_per_turn=10_000,
        max_tool_calls_per_turn=20,
        max_agent_calls_per_turn=5,
        allowed_llm_providers=("openai", "anthropic"),
        token_rate_limits=(
            TokenRateLimit(window="10m", max_tokens=2_000),
            TokenRateLimit(window="1h", max_tokens=10_000),
        ),
        allowed_tools=("web_search", "summarize"),
        allowed_agents=("summarizer-agent",),
    )


def test_the_strict_example() -> None:
    policy = load_policy((POLICIES / "policy-strict.yaml").read_text())
    assert policy.mode is Mode.STRICT
    assert policy.graph is not None
    assert [(s.step_id, s.max_loops, s.next_steps) for s in policy.graph.steps] == [
        (1, 3, (2,)),
        (2, 1, ()),
    ]


def test_what_an_empty_policy_has() -> None:
    policy = load_policy("{}")
    assert policy == Policy()
    assert policy.mode is Mode.FLEXIBLE
    assert policy.on_violation is policy.on_budget_exceeded is OnBreach.BLOCK
    assert policy.streaming is Streaming.PASSTHROUGH
    assert policy.unknown_price is UnknownPrice.WORST_CASE
    assert policy.turns is Turns.ANY
    assert policy.turn_detection is TurnDetection.USER_MESSAGE
    assert policy.enforcement is Enforcement.ENFORCE
    assert policy.max_agent_depth == 8
    assert policy.allowed_callers is None


def test_every_field_is_read_and_written() -> None:
    policy = parse_policy(FULL)
    assert set(FULL) == set(Policy.model_fields)
    assert all(getattr(policy, name) != getattr(Policy(), name) for name in FULL)
    assert load_policy(canonical_json(policy)) == policy
    assert parse_policy(policy.model_dump()) == policy
    assert parse_policy(policy.model_dump(mode="json")) == policy


def test_the_defaults_as_they_are_dumped_load_again() -> None:
    assert parse_policy(Policy().model_dump(mode="json")) == Policy()


def test_money_and_windows() -> None:
    policy = parse_policy(FULL)
    assert policy.max_cost_microusd_per_turn == 500_000
    assert policy.cost_rate_limits == (CostRateLimit(window="1d", max_usd=Decimal("1.25")),)
    assert policy.cost_rate_limits[0].max_microusd == 1_250_000
    assert policy.cost_rate_limits[0].window_ms == 86_400_000
    assert policy.token_rate_limits[0].window_ms == 600_000


def test_a_policy_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Policy().name = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": "flexible"}, "mode: flexible has no graph: remove graph, or set mode: strict"),
        ({"graph": None}, "mode: strict needs a graph with start_step and steps"),
        (
            {"token_rate_limits": [{"window": w, "max_tokens": 1} for w in ("60m", "1h")]},
            "token_rate_limits has the window 1h twice",
        ),
        (
            {"cost_rate_limits": [{"window": w, "max_usd": 1} for w in ("1d", "1d")]},
            "cost_rate_limits has the window 1d twice",
        ),
        ({"allowed_hosts": ["https://a.com"]}, "is no host"),
        ({"tool_rules": {"*": {}}}, "'name' or 'server/name'"),
        ({"allowed_models": ["gpt-4"]}, "'name/pattern'"),
    ],
)
def test_what_does_not_go_together(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        parse_policy({**FULL, **change})


def test_the_same_window_for_tokens_and_money() -> None:
    parse_policy(
        {
            "token_rate_limits": [{"window": "1h", "max_tokens": 1}],
            "cost_rate_limits": [{"window": "1h", "max_usd": 1}],
        }
    )


def test_the_hash_is_of_what_a_policy_says_not_of_how() -> None:
    one = load_policy("allowed_tools: [a]\nmode: flexible\nmax_cost_usd_per_turn: 1.50")
    other = load_policy('{"max_cost_usd_per_turn": "1.5", "allowed_tools": ["a"]}')
    assert canonical_json(one) == '{"allowed_tools":["a"],"max_cost_usd_per_turn":1.5}'
    assert canonical_json(one) == canonical_json(other)
    assert sha256(one) == sha256(other)
    assert sha256(one) != sha256(Policy())
    # fixed for ever: stored versions are compared by it
    assert sha256(Policy()) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(st.dictionaries(st.sampled_from(sorted(FULL)), st.none()))
def test_any_part_of_a_policy_round_trips(kept: dict[str, None]) -> None:
    document = {name: FULL[name] for name in kept}
    if ("mode" in document) != ("graph" in document):
        document |= {"mode": "strict", "graph": GRAPH}
    policy = parse_policy(document)
    assert load_policy(canonical_json(policy)) == policy


@given(st.text() | st.from_regex(r"[a-z_]{1,9}: [\[\]{}a-z0-9, :-]{0,30}", fullmatch=True))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    try:
        load_policy(text)
    except PolicyError as error:
        assert error.problems  # noqa: PT017


def test_the_schema_for_the_control_api() -> None:
    schema = Policy.model_json_schema()
    assert set(schema["properties"]) == set(Policy.model_fields)
    assert schema["additionalProperties"] is False
