from typing import Any

import pytest

from amaze_proxy.policy.decision import GraphMove, GraphStep, Limit, Obligations, Reason
from amaze_proxy.policy.model import parse_policy
from amaze_proxy.policy.obligations import obligations
from amaze_proxy.policy.request import AgentCall, HttpCall, LlmCall, Resource, ToolCall
from amaze_proxy.policy.usage import Measure

LIMITED = {
    "max_tokens_per_turn": 1,
    "max_tool_calls_per_turn": 2,
    "max_agent_calls_per_turn": 3,
    "max_cost_usd_per_turn": 4,
    "token_rate_limits": [
        {"window": "10m", "max_tokens": 5},
        {"window": "1d", "max_tokens": 0},
        {"window": "1h", "max_tokens": 6},
    ],
    "cost_rate_limits": [{"window": "1h", "max_usd": 7}, {"window": "2h", "max_usd": 0}],
}


@pytest.mark.parametrize(
    ("resource", "limits"),
    [
        (
            LlmCall("p", "m"),
            (
                Limit("tokens", Measure.TOKENS, 1),
                Limit("cost", Measure.COST, 4_000_000),
                Limit("tokens:10m", Measure.TOKENS, 5, 600_000),
                Limit("tokens:1h", Measure.TOKENS, 6, 3_600_000),
                Limit("cost:1h", Measure.COST, 7_000_000, 3_600_000),
            ),
        ),
        (ToolCall("s", "t", {}), (Limit("tool_calls", Measure.TOOL_CALLS, 2),)),
        (AgentCall("a"), (Limit("agent_calls", Measure.AGENT_CALLS, 3),)),
        (HttpCall("h"), ()),
    ],
)
def test_a_call_has_the_limits_of_its_kind(resource: Resource, limits: tuple[Limit, ...]) -> None:
    assert obligations(resource, parse_policy(LIMITED), None).limits == limits
    assert obligations(resource, parse_policy({}), None) == Obligations()


def test_a_limit_knows_why_it_refuses() -> None:
    assert Limit("tokens", Measure.TOKENS, 1).reason is Reason.BUDGET_EXCEEDED
    assert Limit("tokens:1s", Measure.TOKENS, 1, 1_000).reason is Reason.RATE_LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("document", "duty"),
    [
        ({"on_budget_exceeded": "allow"}, Obligations(budget_blocks=False)),
        ({"on_violation": "allow"}, Obligations(violation_blocks=False)),
        ({"hard_budgets": True}, Obligations(lower_output_limit=True)),
        (
            {"hard_budgets": True, "on_budget_exceeded": "allow"},
            Obligations(budget_blocks=False),
        ),
        ({"streaming": "block"}, Obligations(block_streaming=True)),
        (
            {"enforcement": "shadow", "hard_budgets": True, "streaming": "block"},
            Obligations(shadow=True),
        ),
    ],
)
def test_what_the_fields_oblige_to(document: dict[str, Any], duty: Obligations) -> None:
    assert obligations(LlmCall("p", "m"), parse_policy(document), None) == duty


def test_a_graph_without_a_candidate_is_judged_already() -> None:
    due = GraphMove((GraphStep(1, (None,), 1),))
    assert obligations(AgentCall("a"), parse_policy({}), due).graph == due
    assert obligations(AgentCall("a"), parse_policy({}), GraphMove(())).graph is None
