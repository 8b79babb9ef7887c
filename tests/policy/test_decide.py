"""The decision: tables of cases in tests/data/decisions, and laws."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy import AccessRequest, Decision, Policy, Reason, decide, parse_policy
from amaze_proxy.policy.budget import Over, reserve
from amaze_proxy.policy.graph import Misstep, step
from amaze_proxy.policy.request import (
    AgentCall,
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
from amaze_proxy.policy.usage import Charge, Usage

TABLES = Path(__file__).parent.parent / "data" / "decisions"


def resource_of(raw: dict[str, Any]) -> Resource:
    kind = raw.pop("kind")
    for name in ("provider_tools", "allowed_callers"):
        if name in raw:
            raw[name] = {"provider_tools": tuple, "allowed_callers": frozenset}[name](raw[name])
    if kind == "ask":
        return ServerAsk(raw["server"], ClientFeature(raw["feature"]))
    types = {
        "llm": LlmCall,
        "tool": ToolCall,
        "discovery": DiscoveryCall,
        "resource": ResourceRead,
        "prompt": PromptGet,
        "agent": AgentCall,
        "http": HttpCall,
    }
    return types[kind](**raw)


def usage_of(raw: dict[str, Any] | None) -> Usage | None:
    if raw is None:
        return None
    loops = {int(number): runs for number, runs in raw.get("loops", {}).items()}
    return Usage(raw.get("used", {}), raw.get("step"), loops)


def cases() -> Iterator[Any]:
    for table in sorted(TABLES.glob("*.json")):
        for case in json.loads(table.read_text()):
            yield pytest.param(case, id=f"{table.stem}: {case['name']}")


@pytest.mark.parametrize("case", list(cases()))
def test_table(case: dict[str, Any]) -> None:
    request = AccessRequest(
        case["request"]["agent_id"], resource_of(dict(case["request"]["resource"]))
    )
    policy = None if case["policy"] is None else parse_policy(case["policy"])
    got = decide(request, policy, usage_of(case.get("usage")), Charge(**case.get("charge", {})))
    want = case["expect"]
    assert (got.effect, got.reason, got.would_deny) == (
        want["effect"],
        want.get("reason"),
        want.get("would_deny"),
    )
    assert list(got.alerts) == want.get("alerts", [])
    if got.reason or got.would_deny or got.alerts:
        assert got.message
        assert got.advice


def test_the_tables_have_every_reason_of_a_policy() -> None:
    not_of_a_policy = {
        Reason.INVALID_BEARER,
        Reason.AGENT_NOT_APPROVED,
        Reason.AGENT_QUARANTINED,
        Reason.MALFORMED_REQUEST,
        Reason.AUTHORITY_MISMATCH,
        Reason.REQUEST_TOO_LARGE,
        Reason.INVALID_TURN,
        Reason.UPSTREAM_UNREACHABLE,
        Reason.UPSTREAM_TIMEOUT,
        Reason.REDIS_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
    }
    seen = {case.values[0]["expect"].get("reason") for case in cases()} - {None}
    assert seen == set(Reason) - not_of_a_policy


# Small names, so that calls and policies often meet.
NAMES = st.sampled_from(["a", "b", "c"])
TOOLS = st.sampled_from(["a", "b", "c", "a/a", "a/b", "b/c"])
MODELS = st.sampled_from(["a/*", "a/a", "b/a*", "*/b", "c/c"])

RESOURCES = st.one_of(
    st.builds(LlmCall, NAMES, NAMES, st.booleans(), st.lists(NAMES, max_size=2).map(tuple)),
    st.builds(ToolCall, NAMES, NAMES, st.dictionaries(NAMES, st.integers(0, 2), max_size=2)),
    st.builds(AgentCall, NAMES, st.none() | st.frozensets(NAMES), st.integers(0, 10)),
    st.builds(HttpCall, st.sampled_from(["a.b", "c.a.b", "c"])),
    st.builds(ResourceRead, NAMES, NAMES),
    st.builds(PromptGet, NAMES, NAMES),
    st.builds(ServerAsk, NAMES, st.sampled_from(ClientFeature)),
)
REQUESTS = st.builds(AccessRequest, NAMES, RESOURCES)

LISTS = {
    "allowed_llm_providers": NAMES,
    "allowed_models": MODELS,
    "allowed_provider_tools": MODELS | NAMES,
    "allowed_tools": TOOLS,
    "allowed_agents": NAMES,
    "allowed_hosts": st.sampled_from(["a.b", "*.b", "*.a.b", "c"]),
    "allowed_resources": MODELS,
    "allowed_prompts": TOOLS,
}
STEPS = st.integers(1, 3)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    def one(number: int) -> dict[str, Any]:
        kind = draw(st.sampled_from(["tool", "agent", "llm"]))
        callee = {"tool": TOOLS, "agent": NAMES, "llm": MODELS | NAMES | st.just("*")}[kind]
        return {
            "step_id": number,
            "call_type": kind,
            "callee_id": draw(callee),
            "max_loops": draw(st.integers(0, 2)),
            "next_steps": draw(st.lists(STEPS, max_size=3)),
        }

    return {"start_step": draw(STEPS), "steps": [one(number) for number in (1, 2, 3)]}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: draw(st.lists(entries, max_size=3)) for name, entries in LISTS.items()
    }
    found["allow_sampling"] = draw(st.booleans())
    found["unknown_price"] = draw(st.sampled_from(["deny", "worst_case", "allow"]))
    found["tool_rules"] = draw(
        st.dictionaries(
            TOOLS, st.dictionaries(NAMES, st.just({"equals": 1}), max_size=1), max_size=2
        )
    )
    if draw(st.booleans()):
        found["mode"], found["graph"] = "strict", draw(graphs())
    return found


@st.composite
def limited(draw: st.DrawFn) -> dict[str, Any]:
    amounts = st.integers(0, 600)
    return {
        **draw(documents()),
        "max_tokens_per_turn": draw(amounts),
        "max_tool_calls_per_turn": draw(st.integers(0, 2)),
        "max_agent_calls_per_turn": draw(st.integers(0, 2)),
        "max_cost_usd_per_turn": draw(amounts) / 1_000_000,
        "token_rate_limits": [{"window": "10m", "max_tokens": draw(amounts)}],
        "cost_rate_limits": [{"window": "1h", "max_usd": draw(amounts) / 1_000_000}],
        "hard_budgets": draw(st.booleans()),
        "on_budget_exceeded": draw(st.sampled_from(["block", "allow"])),
        "on_violation": draw(st.sampled_from(["block", "allow"])),
        "enforcement": draw(st.sampled_from(["enforce", "shadow"])),
    }


LIMITS = st.sampled_from(["tokens", "cost", "tool_calls", "agent_calls", "tokens:10m", "cost:1h"])
USAGES = st.builds(
    Usage,
    st.dictionaries(LIMITS, st.integers(0, 700)),
    st.none() | st.integers(1, 4),
    st.dictionaries(STEPS, st.integers(0, 3)),
)
CHARGES = st.builds(
    Charge,
    st.integers(0, 300),
    st.none() | st.integers(0, 600),
    st.sampled_from(["", "a/a"]),
    st.integers(0, 2_000_000),
    st.integers(0, 2_000_000),
    st.integers(0, 2),
    st.integers(0, 2),
)


@given(REQUESTS)
def test_empty_policy_denies_everything(request: AccessRequest) -> None:
    assert not decide(request, Policy()).allowed
    assert decide(request, None).reason is Reason.POLICY_NOT_FOUND


@given(NAMES, st.text(), documents())
def test_discovery_is_always_allowed(server: str, method: str, document: dict[str, Any]) -> None:
    request = AccessRequest("a", DiscoveryCall(server, method))
    assert decide(request, parse_policy(document)) == decide(request, None)
    assert decide(request, None).allowed


@given(REQUESTS, documents(), st.data())
def test_removing_a_grant_never_turns_deny_into_allow(
    request: AccessRequest, document: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(LISTS)))
    # the last of allowed_models is no grant: without any, all models are allowed
    if len(document[name]) <= (name == "allowed_models"):
        return
    gone = data.draw(st.integers(0, len(document[name]) - 1))
    fewer = {**document, name: [x for i, x in enumerate(document[name]) if i != gone]}
    before, after = decide(request, parse_policy(document)), decide(request, parse_policy(fewer))
    assert before.allowed or not after.allowed


@given(REQUESTS, documents(), st.data())
def test_the_order_of_lists_does_not_matter(
    request: AccessRequest, document: dict[str, Any], data: st.DataObject
) -> None:
    turned = {
        name: data.draw(st.permutations(value)) if name in LISTS else value
        for name, value in document.items()
    }
    first, second = decide(request, parse_policy(document)), decide(request, parse_policy(turned))
    assert (first.effect, first.reason) == (second.effect, second.reason)


@given(REQUESTS, limited(), USAGES, CHARGES)
def test_with_usage_it_is_the_static_verdict_and_budget_and_order(
    request: AccessRequest, document: dict[str, Any], usage: Usage, charge: Charge
) -> None:
    policy = parse_policy(document)
    static = decide(request, policy)
    whole = decide(request, policy, usage, charge)
    duty = static.obligations
    assert whole.obligations == duty
    budget = reserve(duty, usage, charge)
    order = step(duty.graph, usage) if duty.graph else None
    late = isinstance(budget, Over) or (
        isinstance(order, Misstep) and duty.violation_blocks and not duty.shadow
    )
    assert whole.allowed == (static.allowed and not late)
    if static.allowed and isinstance(budget, Over):
        assert whole.reason is budget.limit.reason
    elif whole.allowed and isinstance(order, Misstep):
        assert order.reason in (*whole.alerts, whole.would_deny) or whole.would_deny


@given(REQUESTS, limited(), USAGES, CHARGES)
def test_shadow_denies_no_more_than_the_callee_does(
    request: AccessRequest, document: dict[str, Any], usage: Usage, charge: Charge
) -> None:
    shadow = parse_policy({**document, "enforcement": "shadow"})
    enforced = parse_policy({**document, "enforcement": "enforce"})
    passed = decide(request, shadow, usage, charge)
    refused = decide(request, enforced, usage, charge)
    if passed.allowed:
        assert refused.reason is None or passed.would_deny is not None
        # hard budgets cut a request only when they are enforced, so another limit may be the first
        if not enforced.hard_budgets:
            assert refused.reason in (passed.would_deny, None)
    else:
        assert isinstance(request.resource, AgentCall)
        assert passed.reason is Reason.NOT_ALLOWED


class Broken(dict[str, object]):
    def get(self, key: object, default: object = None) -> object:
        raise RuntimeError("secret detail")


@pytest.mark.parametrize("mode", [{}, {"on_violation": "allow"}, {"enforcement": "shadow"}])
def test_an_error_in_a_rule_denies(mode: dict[str, str]) -> None:
    rules = {"t": {"x": {"equals": 1}}}
    policy = parse_policy({"allowed_tools": ["t"], "tool_rules": rules, **mode})
    got = decide(AccessRequest("a", ToolCall("s", "t", Broken())), policy)
    assert not got.allowed
    assert got.reason is Reason.INTERNAL_ERROR
    assert "secret detail" not in got.message


def test_what_is_no_resource_is_denied() -> None:
    got = decide(AccessRequest("a", "tool"), Policy())  # type: ignore[arg-type]
    assert got.reason is Reason.INTERNAL_ERROR


def test_the_words_name_the_thing_the_rule_and_the_way_out() -> None:
    policy = parse_policy({"name": "p1", "allowed_tools": ["a", "web/b"]})
    got = decide(AccessRequest("me", ToolCall("web", "delete", {})), policy)
    assert got.message == (
        "tool 'delete' of MCP server 'web' is not in allowed_tools of policy 'p1'"
    )
    assert got.advice == "allowed are a, web/b, or have an operator add it"


def test_an_over_limit_says_how_much_is_used() -> None:
    policy = parse_policy({"allowed_llm_providers": ["o"], "max_cost_usd_per_turn": 1})
    used = Usage({"cost": 999_000})
    got = decide(
        AccessRequest("a", LlmCall("o", "m")), policy, used, Charge(1_000_000, 0, "o/m", 2_000)
    )
    assert got.message == (
        "the limit 'cost' does not allow this call: 999000 of 1000000 micro-dollars used or "
        "reserved, 1000 left"
    )
    assert got.reason is Reason.BUDGET_EXCEEDED


def test_an_order_refusal_says_what_was_due() -> None:
    graph = {
        "start_step": 1,
        "steps": [
            {"step_id": 1, "call_type": "tool", "callee_id": "t"},
            {"step_id": 2, "call_type": "tool", "callee_id": "u"},
        ],
    }
    policy = parse_policy({"mode": "strict", "graph": graph})
    got = decide(AccessRequest("a", ToolCall("s", "u", {})), policy, Usage())
    assert "expected is tool t (step 1)" in got.message


def test_a_decision_is_the_same_each_time() -> None:
    requests = [AccessRequest("a", ToolCall("s", name, {})) for name in ("t", "u", "v")]
    policy = parse_policy({"allowed_tools": ["t", "u"]})
    seen: set[tuple[Decision, ...]] = set()
    for order in permutations(requests):
        by_name = {r.resource.tool: decide(r, policy) for r in order}  # type: ignore[union-attr]
        seen.add(tuple(by_name[name] for name in ("t", "u", "v")))
    assert len(seen) == 1


def test_the_charge_may_be_left_out() -> None:
    policy = parse_policy({"allowed_llm_providers": ["o"], "max_tokens_per_turn": 1})
    request = AccessRequest("a", LlmCall("o", "m"))
    assert decide(request, policy, Usage()) == decide(request, policy, Usage(), Charge())
    assert decide(request, policy, replace(Usage(), used={"tokens": 2})).reason
