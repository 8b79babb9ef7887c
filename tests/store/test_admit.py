from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from amaze_proxy.policy.decision import GraphStep, Reason
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.calls import admit_call, read_admitted
from amaze_proxy.store.errors import StoreUnavailable


async def test_an_approved_agent_passes_and_is_told_its_session(store, script):
    admitted = await store.gate.admit(script.admission())
    assert (admitted.outcome, admitted.session_id, admitted.policy_version) == (
        Outcome.ADMITTED,
        "s1",
        1,
    )


@pytest.mark.parametrize(
    ("status", "discovery", "reason"),
    [
        (AgentStatus.PENDING, False, Reason.AGENT_NOT_APPROVED),
        (AgentStatus.PENDING, True, None),
        (AgentStatus.QUARANTINED, True, Reason.AGENT_QUARANTINED),
        (AgentStatus.REJECTED, True, Reason.AGENT_NOT_APPROVED),
        (AgentStatus.APPROVED, False, None),
    ],
)
async def test_status_governs_the_next_call(store, script, status, discovery, reason):
    await store.agents.set_status("alice", status)
    admitted = await store.gate.admit(script.admission(discovery=discovery))
    assert admitted.reason is reason


@pytest.mark.parametrize("credential", ["", "0" * 64, "nonsense", "é" * 32])
async def test_a_wrong_credential_is_refused(store, script, credential):
    admitted = await store.gate.admit(script.admission(credential_sha256=credential))
    assert admitted.reason is Reason.INVALID_BEARER
    assert admitted.session_id == ""


async def test_an_unknown_agent_is_refused_like_a_wrong_credential(store, script):
    admitted = await store.gate.admit(script.admission(agent_id="nobody"))
    assert admitted.reason is Reason.INVALID_BEARER


async def test_a_pending_credential_passes_only_when_activated(store, script):
    second = hashlib.sha256(b"second").hexdigest()
    await store.agents.add_credential("alice", second, pending=True)
    asked = script.admission(credential_sha256=second, discovery=True)
    assert (await store.gate.admit(asked)).reason is Reason.AGENT_NOT_APPROVED
    await store.agents.add_credential("alice", second)
    assert (await store.gate.admit(asked)).outcome is Outcome.ADMITTED


async def test_an_expired_credential_is_refused(store, script):
    await store.agents.add_credential("alice", script.credential, expires_ms=1)
    assert (await store.gate.admit(script.admission())).reason is Reason.INVALID_BEARER


async def test_a_published_policy_makes_older_decisions_stale(store, script):
    await store.policies.publish("alice", 2, "11", "new")
    admitted = await store.gate.admit(script.admission())
    assert (admitted.outcome, admitted.policy_version) == (Outcome.STALE, 2)


async def test_a_withdrawn_policy_makes_decisions_stale(store, script):
    await store.policies.withdraw("alice")
    admitted = await store.gate.admit(script.admission())
    assert (admitted.outcome, admitted.policy_version) == (Outcome.STALE, 0)


async def test_without_a_policy_only_discovery_passes(store, script):
    await store.policies.withdraw("alice")
    refused = await store.gate.admit(script.admission(policy_version=0))
    assert refused.reason is Reason.POLICY_NOT_FOUND
    passed = await store.gate.admit(script.admission(policy_version=0, discovery=True))
    assert passed.outcome is Outcome.ADMITTED


async def test_check_only_reserves_nothing(store, script):
    limits = (script.tokens(100),)
    asked = script.admission(limits=limits, charge=script.llm(10, 90), check_only=True)
    assert (await store.gate.admit(asked)).outcome is Outcome.ADMITTED
    full = script.admission(limits=limits, charge=script.llm(10, 90))
    assert (await store.gate.admit(full)).outcome is Outcome.ADMITTED


@pytest.mark.parametrize(("fits", "each"), [(10, 100), (1, 1000)])
async def test_concurrent_calls_pass_exactly_as_often_as_fits(store, script, fits, each):
    limits = (script.tokens(1000), script.tokens(1000, 600_000))
    asked = [script.admission(limits=limits, charge=script.llm(0, each)) for _ in range(50)]
    answers = await asyncio.gather(*map(store.gate.admit, asked))
    assert sum(answer.outcome is Outcome.ADMITTED for answer in answers) == fits
    assert {a.reason for a in answers if a.reason} == {Reason.BUDGET_EXCEEDED}


async def test_concurrent_tool_calls_at_a_limit_of_one(store, script):
    asked = [
        script.admission(limits=(script.tools(1),), charge=Charge(tool_calls=1)) for _ in range(20)
    ]
    answers = await asyncio.gather(*map(store.gate.admit, asked))
    assert [a.outcome for a in answers].count(Outcome.ADMITTED) == 1


async def test_a_repeated_admission_answers_the_same_and_reserves_once(store, script):
    limits = (script.tokens(100), script.tokens(100, 60_000))
    asked = script.admission(limits=limits, charge=script.llm(20, 40))
    first = await store.gate.admit(asked)
    assert await store.gate.admit(asked) == first
    assert first.limits[0].used == 60


async def test_a_repeat_after_the_settlement_is_not_admitted_again(store, script):
    asked = script.admission()
    admitted = await store.gate.admit(asked)
    await store.gate.settle(script.settlement(asked, admitted))
    with pytest.raises(StoreUnavailable, match="settled already"):
        await store.gate.admit(asked)


async def test_a_repeat_after_quarantine_is_refused(store, script):
    asked = script.admission()
    await store.gate.admit(asked)
    await store.agents.set_status("alice", AgentStatus.QUARANTINED)
    assert (await store.gate.admit(asked)).reason is Reason.AGENT_QUARANTINED


async def test_a_refusal_names_the_limit_and_when_to_come_again(store, script):
    limits = (script.tokens(100, 60_000),)
    base = 1_700_000_000_000

    async def admit_at(now, output):
        asked = script.admission(limits=limits, charge=script.llm(0, output))
        call = admit_call(asked, now_ms=now)
        return read_admitted(
            await store.hot.caller.fcall(call.function, call.keys, call.args), asked
        )

    assert (await admit_at(base, 60)).outcome is Outcome.ADMITTED
    assert (await admit_at(base + 10_000, 30)).outcome is Outcome.ADMITTED
    refused = await admit_at(base + 20_000, 50)
    assert refused.reason is Reason.RATE_LIMIT_EXCEEDED
    assert (refused.failed_limit, refused.limits[0].used) == ("tokens:60000", 90)
    early = await admit_at(base + 20_000 + refused.retry_after_ms - 1, 50)
    assert early.outcome is Outcome.REFUSED
    then = await admit_at(base + 20_000 + refused.retry_after_ms, 50)
    assert then.outcome is Outcome.ADMITTED
    assert (await admit_at(base, 101)).retry_after_ms == 0


async def test_a_refusal_writes_nothing(store, script):
    limits = (script.tokens(100, 60_000), script.tokens(10))
    asked = script.admission(limits=limits, charge=script.llm(0, 50))
    before = await store.client.dbsize()
    assert (await store.gate.admit(asked)).failed_limit == "tokens"
    assert await store.client.dbsize() == before


async def test_a_call_that_sets_no_limit_reserves_what_is_left_at_most(store, script):
    limits = (script.tokens(300),)
    asked = [script.admission(limits=limits, charge=script.llm(20)) for _ in range(3)]
    used = [(await store.gate.admit(one)).limits[0].used for one in asked]
    assert used == [276, 300, 300]
    assert (await store.gate.admit(asked[2])).reason is Reason.BUDGET_EXCEEDED


async def test_the_mean_of_earlier_answers_is_reserved(store, script):
    for output in (900, 1100):
        asked = script.admission(charge=script.llm(10))
        admitted = await store.gate.admit(asked)
        await store.gate.settle(
            script.settlement(asked, admitted, tokens=10 + output, output_tokens=output)
        )
    limit = script.tokens(10**6)
    asked = script.admission(turn_id="t2", limits=(limit,), charge=script.llm(10))
    assert (await store.gate.admit(asked)).limits[0].used == 1010


async def test_hard_budgets_grant_what_is_left_of_tokens_and_money(store, script):
    charge = script.llm(100, 5000, input_price=1_000_000, output_price=2_000_000)
    for limits, granted in (
        ((script.tokens(400),), 300),
        ((script.cost(400),), 150),
        ((script.tokens(10_000),), -1),
        ((), -1),
    ):
        asked = script.admission(
            turn_id=f"g{granted}{len(limits)}",
            limits=limits,
            charge=charge,
            lower_output_limit=True,
        )
        assert (await store.gate.admit(asked)).granted_output == granted
    unset = script.admission(
        turn_id="unset",
        limits=(script.tokens(10_000),),
        charge=script.llm(100),
        lower_output_limit=True,
    )
    assert (await store.gate.admit(unset)).granted_output == 4096
    shadowed = replace(unset, decision_id="shadowed", shadow=True)
    assert (await store.gate.admit(shadowed)).granted_output == -1


async def test_an_allowed_overrun_is_an_alert_and_is_counted(store, script):
    asked = script.admission(
        limits=(script.tokens(10),), charge=script.llm(5, 50), budget_blocks=False
    )
    admitted = await store.gate.admit(asked)
    assert admitted.outcome is Outcome.ADMITTED
    assert admitted.alerts == (Reason.BUDGET_EXCEEDED,)
    assert admitted.limits[0].used == 55


async def test_money_is_exact_where_doubles_are_not(store, script):
    charge = script.llm(
        9_999_999_999, 7_777_777_777, input_price=999_999_937, output_price=888_888_883
    )
    exact = -(-(9_999_999_999 * 999_999_937 + 7_777_777_777 * 888_888_883) // 10**6)
    asked = script.admission(limits=(script.cost(10**15),), charge=charge)
    assert (await store.gate.admit(asked)).limits[0].used == exact


async def test_negative_amounts_and_reserved_turn_ids_are_errors(store, script):
    with pytest.raises(ValueError, match="negative"):
        await store.gate.admit(script.admission(charge=Charge(tool_calls=-1)))
    with pytest.raises(ValueError, match="ambient"):
        await store.gate.admit(script.admission(turn_id="ambient~3"))


ONE = GraphStep(1, (None,), 2)
TWO = GraphStep(2, (1,), 1)


async def test_a_graph_is_walked_in_order_with_its_loops(store, script):
    walk = [ONE, ONE, ONE, TWO, TWO, ONE]
    said = {"start": "llm (step 1)", "s1": "tool (step 2)", "s2": "none"}
    answers = [
        await store.gate.admit(script.admission(graph=script.move(step, **said))) for step in walk
    ]
    assert [answer.step for answer in answers] == [1, 1, None, 2, None, None]
    assert [answer.reason for answer in answers] == [
        *(None, None, Reason.EDGE_LOOP_EXCEEDED),
        *(None, Reason.EDGE_LOOP_EXCEEDED, Reason.GRAPH_VIOLATION),
    ]
    assert [answer.expected for answer in answers if answer.reason] == [
        "tool (step 2)",
        "none",
        "none",
    ]


async def test_a_graph_begins_at_its_start(store, script):
    refused = await store.gate.admit(script.admission(graph=script.move(TWO, start="llm")))
    assert (refused.reason, refused.expected) == (Reason.GRAPH_VIOLATION, "llm")


async def test_an_allowed_violation_leaves_the_position(store, script):
    wrong = script.admission(graph=script.move(TWO, start="llm"), violation_blocks=False)
    admitted = await store.gate.admit(wrong)
    assert (admitted.outcome, admitted.alerts) == (Outcome.ADMITTED, (Reason.GRAPH_VIOLATION,))
    assert admitted.expected == "llm"
    assert (await store.gate.admit(script.admission(graph=script.move(ONE)))).step == 1


async def test_shadow_lets_everything_pass_and_says_what_it_was(store, script):
    asked = script.admission(
        graph=script.move(TWO),
        limits=(script.tokens(1), script.tokens(1, 1000)),
        charge=script.llm(2, 2),
        shadow=True,
    )
    admitted = await store.gate.admit(asked)
    assert admitted.outcome is Outcome.ADMITTED
    assert set(admitted.alerts) == {
        Reason.BUDGET_EXCEEDED,
        Reason.RATE_LIMIT_EXCEEDED,
        Reason.GRAPH_VIOLATION,
    }


async def test_a_budget_refusal_does_not_move_the_graph(store, script):
    asked = script.admission(
        graph=script.move(ONE), limits=(script.tokens(1),), charge=script.llm(0, 5)
    )
    assert (await store.gate.admit(asked)).reason is Reason.BUDGET_EXCEEDED
    assert (await store.gate.admit(script.admission(graph=script.move(ONE)))).step == 1


async def test_a_user_message_begins_an_ambient_turn(store, script):
    def ask(**given):
        limits = (script.tokens(100),)
        return script.admission(
            turn_id="", ambient=True, limits=limits, charge=script.llm(0, 40), **given
        )

    first = await store.gate.admit(ask())
    second = await store.gate.admit(ask())
    assert first.turn_id == second.turn_id
    assert second.limits[0].used == 80
    assert (await store.gate.admit(ask())).reason is Reason.BUDGET_EXCEEDED
    third = await store.gate.admit(ask(user_message=True))
    assert third.turn_id > first.turn_id
    assert third.limits[0].used == 40


async def test_ambient_turns_of_two_names_are_apart(store, script):
    def ask(name):
        limits = (script.tokens(50),)
        return script.admission(turn_id=name, ambient=True, limits=limits, charge=script.llm(0, 40))

    assert (await store.gate.admit(ask("one"))).turn_id.startswith("one~")
    assert (await store.gate.admit(ask("two"))).outcome is Outcome.ADMITTED
