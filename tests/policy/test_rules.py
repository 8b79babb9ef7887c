"""The words of findings; which rule refuses what is in the tables of test_decide."""

from typing import Any

import pytest

from amaze_proxy.policy.decision import GraphMove, Reason
from amaze_proxy.policy.model import parse_policy
from amaze_proxy.policy.request import (
    AccessRequest,
    AgentCall,
    AgentLook,
    ClientFeature,
    DiscoveryCall,
    HttpCall,
    LlmCall,
    PromptGet,
    Resource,
    ResourceRead,
    ServerAsk,
    ToolCall,
)
from amaze_proxy.policy.rules import Finding, findings, llm_listed


def found(resource: Resource, document: dict[str, Any], **more: Any) -> list[Finding]:
    policy = parse_policy({"name": "p", **document})
    return list(findings(AccessRequest("me", resource), policy, more.get("due")))


@pytest.mark.parametrize(
    ("resource", "document", "message", "advice"),
    [
        (
            LlmCall("azure", "m"),
            {"allowed_llm_providers": ["openai"]},
            "LLM provider 'azure' is not in allowed_llm_providers of policy 'p'",
            "allowed are openai, or have an operator add it",
        ),
        (
            LlmCall("o", "m"),
            {"allowed_llm_providers": ["o"], "allowed_models": ["o/n"]},
            "model 'o/m' is not in allowed_models of policy 'p'",
            "allowed are o/n, or have an operator add it",
        ),
        (
            AgentCall("bob"),
            {},
            "agent 'bob' is not in allowed_agents of policy 'p'",
            "none is allowed, or have an operator add it",
        ),
        (
            HttpCall("h"),
            {"allowed_hosts": ["a", "b"]},
            "host 'h' is not in allowed_hosts of policy 'p'",
            "allowed are a, b, or have an operator add it",
        ),
        (
            PromptGet("s", "x"),
            {},
            "prompt 'x' of MCP server 's' is not in allowed_prompts of policy 'p'",
            "none is allowed, or have an operator add it",
        ),
        (
            ResourceRead("s", "u"),
            {},
            "resource 'u' of MCP server 's' is not in allowed_resources of policy 'p' "
            "(one with '..' in it never is)",
            "none is allowed, or have an operator add it",
        ),
        (
            ServerAsk("s", ClientFeature.SAMPLING),
            {},
            "sampling for MCP server 's' is not allowed: allow_sampling of policy 'p' is false",
            "have an operator set allow_sampling",
        ),
        (
            ToolCall("s", "u", {}),
            {
                "mode": "strict",
                "graph": {
                    "start_step": 1,
                    "steps": [{"step_id": 1, "call_type": "tool", "callee_id": "t"}],
                },
            },
            "no step of the execution graph of policy 'p' is this call of tool 'u' of MCP "
            "server 's'",
            "allowed are tool t (step 1), or have an operator add a step",
        ),
    ],
)
def test_a_finding_says_what_the_rule_and_the_way_out(
    resource: Resource, document: dict[str, Any], message: str, advice: str
) -> None:
    due = GraphMove(()) if "graph" in document else None
    assert [(one.message, one.advice) for one in found(resource, document, due=due)] == [
        (message, advice)
    ]


def test_a_refused_argument_is_not_repeated() -> None:
    rules = {"allowed_tools": ["t"], "tool_rules": {"t": {"key": {"max_length": 3}}}}
    (one,) = found(ToolCall("s", "t", {"key": "hunter2"}), rules)
    assert one.reason is Reason.ARGUMENT_NOT_ALLOWED
    assert one.message == (
        "argument 'key' of tool 't' of MCP server 's' must be a text or a list no longer than 3, "
        "by tool_rules of policy 'p'"
    )


def test_long_names_and_lists_are_cut() -> None:
    (one,) = found(ToolCall("s", "x" * 5_000, {}), {"allowed_tools": [f"t{n}" for n in range(12)]})
    assert len(one.message) < 300
    assert one.advice.startswith("allowed are t0, t1, ")
    assert "t9 and 2 more" in one.advice


def test_a_policy_without_a_name() -> None:
    (one,) = findings(AccessRequest("me", HttpCall("h")), parse_policy({}), None)
    assert one.message.endswith("of the agent's policy")


def test_nothing_is_against_discovery() -> None:
    assert found(DiscoveryCall("s", "tools/list"), {}) == []


def test_the_callees_word_is_firm() -> None:
    ones = found(AgentCall("bob", frozenset()), {})
    assert [one.firm for one in ones] == [True, False]


def test_llm_listed() -> None:
    policy = parse_policy({"allowed_llm_providers": ["o"], "allowed_models": ["o/m"]})
    assert llm_listed(LlmCall("o", "m"), policy)
    assert not llm_listed(LlmCall("o", "n"), policy)
    assert not llm_listed(LlmCall("q", "m"), policy)


def test_whoever_may_send_to_an_agent_may_look_at_it() -> None:
    graph = {
        "start_step": 1,
        "steps": [
            {"step_id": 1, "call_type": "tool", "callee_id": "search", "next_steps": [2]},
            {"step_id": 2, "call_type": "agent", "callee_id": "bob"},
        ],
    }
    strict = {"mode": "strict", "graph": graph}
    assert found(AgentLook("bob"), {"allowed_agents": ["bob"]}) == []
    assert found(AgentLook("bob"), strict) == []
    assert [one.reason for one in found(AgentLook("eve"), strict)] == [Reason.NOT_ALLOWED]
    assert [one.reason for one in found(AgentLook("bob"), {})] == [Reason.NOT_ALLOWED]


def test_the_callees_list_of_callers_covers_looking() -> None:
    ones = found(AgentLook("bob", frozenset()), {"allowed_agents": ["bob"]})
    assert [(one.reason, one.firm) for one in ones] == [(Reason.NOT_ALLOWED, True)]
