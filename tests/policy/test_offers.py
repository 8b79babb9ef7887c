import pytest

from amaze_proxy.policy.model import Policy, parse_policy
from amaze_proxy.policy.offers import hides, offered
from amaze_proxy.policy.request import PromptGet, ResourceRead, ToolCall

POLICY = parse_policy(
    {
        "allowed_tools": ["search", "files/read"],
        "tool_rules": {"search": {"query": {"equals": "weather"}}},
        "allowed_resources": ["files/file:///open/*"],
        "allowed_prompts": ["greet"],
    }
)
STRICT = parse_policy(
    {
        "mode": "strict",
        "allowed_tools": ["other"],
        "graph": {
            "start_step": 1,
            "steps": [
                {"step_id": 1, "call_type": "tool", "callee_id": "first", "next_steps": [2]},
                {"step_id": 2, "call_type": "tool", "callee_id": "second"},
            ],
        },
    }
)


@pytest.mark.parametrize(
    ("offer", "shown"),
    [
        (ToolCall("web", "search", {}), True),  # its argument rule is for the call itself
        (ToolCall("files", "read", {}), True),
        (ToolCall("web", "read", {}), False),
        (ToolCall("web", "delete", {}), False),
        (ResourceRead("files", "file:///open/a"), True),
        (ResourceRead("files", "file:///closed/a"), False),
        (PromptGet("web", "greet"), True),
        (PromptGet("web", "leave"), False),
    ],
)
def test_what_the_lists_allow_is_offered(offer: ToolCall, shown: bool) -> None:
    assert offered(offer, POLICY) is shown


@pytest.mark.parametrize(("tool", "shown"), [("first", True), ("second", True), ("other", False)])
def test_every_step_of_a_graph_is_offered(tool: str, shown: bool) -> None:
    assert offered(ToolCall("web", tool, {}), STRICT) is shown


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        ({}, True),
        ({"on_tool_change": "deny"}, False),
        ({"on_tool_change": "deny", "on_violation": "allow"}, False),
    ],
)
def test_a_changed_tool_is_offered_where_it_would_pass(policy: dict[str, str], shown: bool) -> None:
    found = parse_policy({"allowed_tools": ["search"], **policy})
    assert offered(ToolCall("web", "search", {}, changed=True), found) is shown
    assert offered(ToolCall("web", "search", {}), found)


def test_where_breaches_pass_a_change_alone_hides() -> None:
    policy = parse_policy({"on_violation": "allow", "on_tool_change": "deny"})
    assert hides(policy)
    assert offered(ToolCall("web", "any", {}), policy)
    assert not hides(parse_policy({"enforcement": "shadow", "on_tool_change": "deny"}))


def test_lists_are_filtered_where_a_breach_is_refused() -> None:
    assert hides(Policy())
    assert not hides(None)
    assert not hides(parse_policy({"enforcement": "shadow"}))
    assert not hides(parse_policy({"on_violation": "allow"}))
