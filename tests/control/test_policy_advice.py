from __future__ import annotations

import pytest

from amaze_proxy.control.policy_advice import Known, warnings
from amaze_proxy.policy.model import parse_policy

KNOWN = Known(
    agents=frozenset(("writer",)),
    servers={"files": frozenset(("read", "write")), "web": frozenset(("search",))},
)
GRAPH = {
    "start_step": 1,
    "steps": [
        {"step_id": 1, "call_type": "tool", "callee_id": "files/read", "next_steps": [2]},
        {"step_id": 2, "call_type": "agent", "callee_id": "writer"},
        {"step_id": 3, "call_type": "llm", "callee_id": "opnai/gpt*"},
    ],
}
GOOD = {
    "allowed_llm_providers": ["openai"],
    "allowed_models": ["openai/gpt*", "*/small"],
    "allowed_tools": ["files/read", "search"],
    "allowed_agents": ["writer"],
    "allowed_resources": ["files/*", "*/x"],
    "allowed_prompts": ["p", "web/p"],
    "tool_rules": {"read": {"p": {"absent": True}}, "web/search": {"q": {"max_length": 9}}},
    "max_tokens_per_turn": 100,
    "token_rate_limits": [
        {"window": "10m", "max_tokens": 100},
        {"window": "1h", "max_tokens": 101},
    ],
}


def told(policy, known=KNOWN):
    return [(one.field, one.message) for one in warnings(parse_policy(policy), known)]


def test_a_policy_that_means_what_it_says() -> None:
    assert told(GOOD) == []


@pytest.mark.parametrize(
    ("policy", "field", "words"),
    [
        ({"allowed_llm_providers": ["opnai"]}, "allowed_llm_providers[0]", "'opnai'"),
        ({"allowed_models": ["openai/x"]}, "allowed_models[0]", "grants nothing"),
        ({"allowed_agents": ["writer", "riter"]}, "allowed_agents[1]", "'riter'"),
        ({"allowed_callers": ["riter"]}, "allowed_callers[0]", "'riter'"),
        ({"allowed_tools": ["file/read"]}, "allowed_tools[0]", "no MCP server is called 'file'"),
        ({"allowed_tools": ["files/rm"]}, "allowed_tools[0]", "'files' has no tool 'rm'"),
        ({"allowed_tools": ["rm"]}, "allowed_tools[0]", "no MCP server has a tool 'rm'"),
        ({"allowed_resources": ["file/*"]}, "allowed_resources[0]", "'file'"),
        ({"allowed_prompts": ["file/p"]}, "allowed_prompts[0]", "'file'"),
        ({"tool_rules": {"read": {"p": {"absent": True}}}}, "tool_rules.read", "no effect"),
        (
            {"max_tokens_per_turn": 9, "token_rate_limits": [{"window": "1m", "max_tokens": 8}]},
            "token_rate_limits[0]",
            "fewer than those of one turn",
        ),
        (
            {
                "cost_rate_limits": [
                    {"window": "1m", "max_usd": 2},
                    {"window": "1h", "max_usd": 2},
                ]
            },
            "cost_rate_limits[0]",
            "1h allows no more",
        ),
    ],
)
def test_each_warning(policy, field, words) -> None:
    ((found, message),) = told(policy)
    assert found == field
    assert words in message


def test_the_steps_of_a_graph() -> None:
    found = dict(told({"mode": "strict", "graph": GRAPH, "allowed_tools": ["files/write"]}))
    assert set(found) == {"graph.steps[2].callee_id", "graph.steps[2]", "allowed_tools"}
    assert "never reached" in found["graph.steps[2]"]
    assert "they alone count" in found["allowed_tools"]


def test_a_server_that_did_not_say_its_tools_may_have_any() -> None:
    known = Known(servers={"files": frozenset()})
    assert told({"allowed_tools": ["x", "files/x"]}, known) == []


def test_a_rule_of_a_server_fits_a_tool_of_any() -> None:
    rule = {"p": {"absent": True}}
    assert told({"allowed_tools": ["read"], "tool_rules": {"files/read": rule}}) == []
    other = told({"allowed_tools": ["files/read"], "tool_rules": {"web/search": rule}})
    assert [field for field, _ in other] == ["tool_rules.web/search"]
