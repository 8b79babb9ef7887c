"""Decide and admit: what the store is asked, and what its answer means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.asking import Asking, Attempt, TurnClaim
from amaze_proxy.pipeline.calls import Call, Head
from amaze_proxy.pipeline.classify import classify_llm
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.enforce import Verdict, judge
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.looks import authenticate, is_own
from amaze_proxy.pipeline.policies import InForce
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Decision, Effect, Obligations, Reason
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.providers import Family, LlmRoute
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.wire.authority import Authority
from tests.pipeline.fakes import AGENT, OPEN, PRICES, SHA256, World, chat

WHO = Claim(AGENT, SHA256)
STRANGER = Claim(AGENT, "0" * 64)


def model_call(**more: object) -> Call:
    head = Head(Authority("https", "api.openai.com", 443), "POST", "/v1/chat/completions", {})
    route = LlmRoute("openai", Family.OPENAI_CHAT)
    return classify_llm(head, route, json.dumps({**chat(), **more}).encode(), PRICES, 10_000)


async def judged(
    world: World, call: Call | None = None, who: Claim = WHO, turn: TurnClaim | None = None
) -> tuple[Verdict, Refused | None]:
    attempt = Attempt()
    asking = Asking("d" * 32, "5" * 16, who, turn or TurnClaim(), call or model_call())
    found = await judge(world.line, asking, attempt)
    assert attempt.admission is world.gate.admissions[-1]
    return found


async def test_an_allowed_call_is_admitted_with_all_that_the_policy_obliges_to(
    world: World,
) -> None:
    world.policies.put({**OPEN, "max_tokens_per_turn": 500, "hard_budgets": True})
    verdict, refusal = await judged(world)
    assert refusal is None
    (asked,) = world.gate.admissions
    assert [limit.name for limit in asked.limits] == ["tokens"]
    assert asked.lower_output_limit
    assert asked.budget_blocks
    assert asked.violation_blocks
    assert not asked.check_only
    assert (asked.agent_id, asked.credential_sha256) == (AGENT, SHA256)
    assert asked.policy_version == verdict.in_force.version == 2
    assert asked.charge == model_call().charge


async def test_a_denied_call_reserves_nothing_but_is_checked(world: World) -> None:
    verdict, refusal = await judged(World({"name": "nothing"}))
    assert refusal is not None
    assert refusal.reason is Reason.LLM_NOT_ALLOWED
    assert not verdict.decision.allowed


async def test_the_credential_goes_before_the_policys_denial() -> None:
    world = World({"name": "nothing"})
    _, refusal = await judged(world, who=STRANGER)
    assert refusal is not None
    assert refusal.reason is Reason.INVALID_BEARER
    assert world.gate.admissions[0].check_only


async def test_a_denial_without_a_reason_is_an_error_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amaze_proxy.pipeline.enforce.decide", lambda *_: Decision(Effect.DENY))
    _, refusal = await judged(world)
    assert refusal is not None
    assert refusal.reason is Reason.INTERNAL_ERROR


@given(st.integers(0, 7))
async def test_stale_is_never_passed_on(times: int) -> None:
    world = World()
    world.gate.answers.extend([Admitted(Outcome.STALE, session_id="s")] * times)
    if times < 5:
        verdict, refusal = await judged(world)
        assert refusal is None
        assert verdict.admitted.outcome is Outcome.ADMITTED
        assert len(world.gate.admissions) == world.policies.reads == times + 1
    else:
        with pytest.raises(Refused, match="faster than it could be read") as caught:
            await judged(world)
        assert caught.value.reason is Reason.INTERNAL_ERROR
        assert len(world.gate.admissions) == 5


@pytest.mark.parametrize(
    ("rule", "known", "free"),
    [("allow", False, True), ("allow", True, False), ("worst_case", False, False)],
)
async def test_a_model_without_a_price_is_free_only_where_the_policy_says_so(
    world: World, rule: str, known: bool, free: bool
) -> None:
    world.policies.put({**OPEN, "unknown_price": rule})
    verdict, _ = await judged(world, model_call() if known else model_call(model="gpt-new"))
    assert (verdict.charge.output_price == verdict.charge.input_price == 0) == free
    assert world.gate.admissions[0].charge == verdict.charge


@pytest.mark.parametrize(
    ("detection", "turn", "user_message"),
    [
        ("user_message", TurnClaim(), True),
        ("none", TurnClaim(), False),
        ("user_message", TurnClaim("t1"), False),
    ],
)
async def test_a_new_turn_begins_with_a_users_message_where_the_policy_looks_for_it(
    world: World, detection: str, turn: TurnClaim, user_message: bool
) -> None:
    world.policies.put({**OPEN, "turn_detection": detection})
    await judged(world, turn=turn)
    (asked,) = world.gate.admissions
    assert asked.user_message == user_message
    assert asked.ambient == (not turn.turn_id)


async def test_authenticate_reserves_nothing_and_is_remembered(world: World) -> None:
    assert not world.line.verified.within(WHO, 60)
    await authenticate(world.line, WHO, "d" * 32)
    assert world.line.verified.within(WHO, 60)
    (asked,) = world.gate.admissions
    assert asked.check_only
    assert asked.policy_version == -1
    assert asked.limits == ()
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    await authenticate(world.line, WHO, "d" * 32)
    assert not world.line.verified.within(WHO, 60)


async def test_a_credential_that_is_not_approved_is_not_remembered(world: World) -> None:
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED))
    await authenticate(world.line, WHO, "d" * 32)
    assert not world.line.verified.within(WHO, 60)


@pytest.mark.parametrize("reason", [None, *Reason])
@pytest.mark.parametrize("session", ["", "s"])
def test_whose_credential_it_is(reason: Reason | None, session: str) -> None:
    own = is_own(Admitted(Outcome.REFUSED, reason, session_id=session))
    if reason is Reason.INVALID_BEARER:
        assert not own
    elif reason is Reason.AGENT_NOT_APPROVED:
        assert own == bool(session)
    else:
        assert own


def verdict(decision: Decision, *alerts: Reason) -> Verdict:
    admitted = Admitted(Outcome.ADMITTED, alerts=alerts)
    return Verdict(InForce(1, None), decision, admitted, Charge(), Conversation("t" * 32))


def test_alerts_are_told_once_each() -> None:
    decision = Decision(Effect.ALLOW, alerts=(Reason.NOT_ALLOWED,))
    found = verdict(decision, Reason.BUDGET_EXCEEDED, Reason.NOT_ALLOWED)
    assert found.alerts == ("not-allowed", "budget_exceeded")
    assert found.would_deny == "", "not in shadow mode"


@pytest.mark.parametrize(
    ("static", "late", "would"),
    [
        (Reason.NOT_ALLOWED, (Reason.BUDGET_EXCEEDED,), "not-allowed"),
        (None, (Reason.BUDGET_EXCEEDED, Reason.GRAPH_VIOLATION), "budget_exceeded"),
        (None, (), ""),
    ],
)
def test_in_shadow_mode_the_first_reason_is_what_would_have_refused(
    static: Reason | None, late: tuple[Reason, ...], would: str
) -> None:
    decision = Decision(Effect.ALLOW, would_deny=static, obligations=Obligations(shadow=True))
    assert verdict(decision, *late).would_deny == would
