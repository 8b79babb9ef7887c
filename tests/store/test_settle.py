from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.policy.decision import GraphStep
from amaze_proxy.policy.record import GENESIS, seal
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.calls import read_settled, settle_call

STEP = GraphStep(1, (None,), 1)


async def admit(store, asked):
    admitted = await store.gate.admit(asked)
    assert admitted.outcome is Outcome.ADMITTED
    return admitted


async def used(store, script, limits):
    """What is used under each limit, asked by a call that adds nothing."""
    asked = script.admission(limits=limits, shadow=True)
    return [state.used for state in (await store.gate.admit(asked)).limits]


async def call(store, settlement, **given):
    made = settle_call(settlement, **given)
    return read_settled(await store.hot.caller.fcall(made.function, made.keys, made.args))


@pytest.mark.parametrize(("tokens", "cost"), [(30, 3), (500, 50)])
async def test_the_real_usage_takes_the_place_of_the_reservation(store, script, tokens, cost):
    limits = (script.tokens(1000), script.tokens(1000, 60_000), script.cost(1000))
    charge = script.llm(10, 90, input_price=1_000_000, output_price=1_000_000)
    asked = script.admission(limits=limits, charge=charge)
    admitted = await admit(store, asked)
    assert [state.used for state in admitted.limits] == [100, 100, 100]
    await store.gate.settle(script.settlement(asked, admitted, tokens=tokens, cost_microusd=cost))
    assert await used(store, script, limits) == [tokens, tokens, cost]


async def test_what_was_not_forwarded_is_given_back_whole(store, script):
    limits = (script.tokens(100), script.tokens(100, 60_000))
    asked = script.admission(limits=limits, charge=script.llm(10, 90), graph=script.move(STEP))
    admitted = await admit(store, asked)
    await store.gate.settle(script.settlement(asked, admitted, charged=False))
    assert await used(store, script, limits) == [0, 0]
    assert (await store.gate.admit(script.admission(graph=script.move(STEP)))).step == 1


async def test_calls_stay_counted_when_they_were_made(store, script):
    asked = script.admission(limits=(script.tools(1),), charge=Charge(tool_calls=1))
    admitted = await admit(store, asked)
    await store.gate.settle(script.settlement(asked, admitted))
    again = script.admission(limits=(script.tools(1),), charge=Charge(tool_calls=1))
    assert (await store.gate.admit(again)).outcome is Outcome.REFUSED


async def test_an_upstream_error_puts_the_step_back_unless_the_turn_moved_on(store, script):
    after = GraphStep(2, (1,), 0)
    first = script.admission(graph=script.move(STEP))
    admitted = await admit(store, first)
    await store.gate.settle(script.settlement(first, admitted, burn_step=False))
    again = script.admission(graph=script.move(STEP))
    admitted = await admit(store, again)
    await admit(store, script.admission(graph=script.move(after)))
    await store.gate.settle(script.settlement(again, admitted, burn_step=False))
    assert (await store.gate.admit(script.admission(graph=script.move(after)))).step == 2
    assert (await store.gate.admit(script.admission(graph=script.move(STEP)))).step is None


async def test_an_older_ambient_turn_does_not_touch_the_newer_one(store, script):
    limits = (script.tokens(1000),)
    asked = script.admission(turn_id="", ambient=True, limits=limits, charge=script.llm(0, 100))
    admitted = await admit(store, asked)
    newer = replace(asked, decision_id="newer", user_message=True)
    await admit(store, newer)
    await store.gate.settle(script.settlement(asked, admitted, tokens=900))
    last = replace(asked, decision_id="last")
    assert (await admit(store, last)).limits[0].used == 200


async def test_settling_twice_writes_one_record_and_charges_once(store, script):
    limits = (script.tokens(1000),)
    asked = script.admission(limits=limits, charge=script.llm(0, 100))
    admitted = await admit(store, asked)
    settlement = script.settlement(asked, admitted, tokens=70)
    first, second = await asyncio.gather(
        store.gate.settle(settlement), store.gate.settle(settlement)
    )
    assert first == second == await store.gate.settle(settlement)
    assert [record.hash for record in await store.audit.recent("alice")] == [first.hash]
    assert await used(store, script, limits) == [70]


async def test_a_replayed_link_is_a_duplicate_and_a_later_one_a_gap(store, script):
    limits = (script.tokens(1000),)
    asked = script.admission(limits=limits, charge=script.llm(0, 100))
    settlement = script.settlement(asked, await admit(store, asked), tokens=70)
    sealed = replace(settlement, record=seal(settlement.record, "w", 1, GENESIS))
    assert await call(store, sealed) == ("ok", 1)
    assert await call(store, sealed) == ("duplicate", 1)
    later = replace(settlement, record=seal(settlement.record, "w", 3, sealed.record.hash))
    assert await call(store, later) == ("gap", 1)
    assert len(await store.audit.recent("alice")) == 1
    assert await used(store, script, limits) == [70]
    assert await call(store, later, resume=True) == ("ok", 3)


async def test_concurrent_records_make_one_chain_without_a_gap(store, script):
    sealed = await asyncio.gather(*(store.gate.settle(script.refusal()) for _ in range(200)))
    assert sorted(record.seq for record in sealed) == list(range(1, 201))
    assert len({record.writer for record in sealed}) == 1
    assert await store.audit.verify("alice") == []
    newest = (await store.audit.recent("alice", 1))[0]
    assert newest.seq == 200
    assert seal(newest, newest.writer, newest.seq, newest.prev_hash) == newest


async def test_a_cancelled_caller_loses_no_record(store, script, until):
    task = asyncio.create_task(store.gate.settle(script.refusal()))
    await asyncio.sleep(0)
    task.cancel()

    async def written():
        return len(await store.audit.recent("alice")) == 1

    await until(written)


async def test_text_that_is_no_unicode_is_recorded(store, script):
    settlement = script.refusal(mean_key="\ud800")
    settlement = replace(settlement, record=replace(settlement.record, input="\udcff é 漢"))
    sealed = await store.gate.settle(settlement)
    assert [record.hash for record in await store.audit.recent("alice")] == [sealed.hash]
    assert await store.audit.verify("alice") == []


async def test_a_settlement_without_a_reservation_changes_no_counter(store, script):
    limits = (script.tokens(1000),)
    settlement = replace(script.refusal(limits=limits, turn_id="t1"), charged=True, tokens=50)
    await store.gate.settle(settlement)
    assert await used(store, script, limits) == [0]


async def test_reservations_and_turns_have_a_time_to_live(store, script):
    asked = script.admission(limits=(script.tokens(100, 60_000),), charge=script.llm(0, 10))
    await admit(store, asked)
    key = f"resv:{{alice}}:{asked.decision_id}"
    assert 3_590_000 < await store.client.pttl(key) <= 3_600_000
    assert 86_000_000 < await store.client.pttl("turn:{alice}:t1") <= 86_400_000
    assert 110_000 < await store.client.pttl("window:{alice}:tokens:60000") <= 120_000
