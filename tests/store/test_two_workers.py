"""Two workers, each with a connection of its own: what fits once passes once."""

from __future__ import annotations

import asyncio

import pytest

from amaze_proxy.policy.decision import GraphStep, Limit, Reason
from amaze_proxy.policy.usage import Charge, Measure
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

HOUR = 3_600_000
ONCE = GraphStep(1, (None,), 1)
NEXT = GraphStep(2, (1,), 1)


@pytest.fixture
async def other(store, server):
    """A second worker's store."""
    opened = await open_store(server.url, timeout=PATIENCE)
    yield opened
    await opened.close()


def limit(measure, maximum, window_ms=0):
    return Limit(f"{measure.value}:{window_ms}", measure, maximum, window_ms)


async def race(script, stores, count=20, **given):
    """All at once, every second one from each worker: the admissions and their answers."""
    asked = [script.admission(**given) for _ in range(count)]
    calls = [stores[n % len(stores)].gate.admit(one) for n, one in enumerate(asked)]
    return list(zip(asked, await asyncio.gather(*calls), strict=True))


def admitted_of(answers):
    return [pair for pair in answers if pair[1].outcome is Outcome.ADMITTED]


PRICED = Charge(0, 1, "openai/gpt", input_price=0, output_price=1_000_000)
CASES = [
    (limit(Measure.TOOL_CALLS, 1), Charge(tool_calls=1), Reason.BUDGET_EXCEEDED),
    (limit(Measure.TOOL_CALLS, 1, HOUR), Charge(tool_calls=1), Reason.RATE_LIMIT_EXCEEDED),
    (limit(Measure.AGENT_CALLS, 1), Charge(agent_calls=1), Reason.BUDGET_EXCEEDED),
    (limit(Measure.TOKENS, 1), PRICED, Reason.BUDGET_EXCEEDED),
    (limit(Measure.TOKENS, 1, HOUR), PRICED, Reason.RATE_LIMIT_EXCEEDED),
    (limit(Measure.COST, 1), PRICED, Reason.BUDGET_EXCEEDED),
    (limit(Measure.COST, 1, HOUR), PRICED, Reason.RATE_LIMIT_EXCEEDED),
]


@pytest.mark.parametrize("ambient", [False, True])
@pytest.mark.parametrize(("one", "charge", "reason"), CASES, ids=[case[0].name for case in CASES])
async def test_one_of_twenty_passes_a_limit_of_one(
    store, other, script, one, charge, reason, ambient
):
    turn = {"turn_id": "", "ambient": True} if ambient else {}
    answers = await race(script, (store, other), limits=(one,), charge=charge, **turn)
    assert len(admitted_of(answers)) == 1
    assert [answer.reason for _, answer in answers].count(reason) == 19


@pytest.mark.parametrize("count", [2, 20])
@pytest.mark.parametrize("turn", [{}, {"turn_id": "", "ambient": True}])
async def test_one_first_call_passes_a_step_that_may_run_once(store, other, script, turn, count):
    move = script.move(ONCE)
    answers = await race(script, (store, other), count, graph=move, **turn)
    assert [answer.step for _, answer in admitted_of(answers)] == [1]
    assert {answer.reason for _, answer in answers} == {None, Reason.EDGE_LOOP_EXCEEDED}


async def test_two_different_first_calls_at_once_are_in_order(store, other, script):
    first, second = (
        script.admission(graph=script.move(ONCE)),
        script.admission(graph=script.move(NEXT)),
    )
    late, begun = await asyncio.gather(other.gate.admit(second), store.gate.admit(first))
    assert begun.step == 1
    assert late.step == 2 or late.reason is Reason.GRAPH_VIOLATION


@pytest.mark.parametrize(("one", "charge", "reason"), CASES, ids=[case[0].name for case in CASES])
async def test_what_was_not_forwarded_gives_its_place_back(
    store, other, script, one, charge, reason
):
    given = {"limits": (one,), "charge": charge, "graph": script.move(ONCE)}
    ((asked, admitted),) = admitted_of(await race(script, (store, other), **given))
    await other.gate.settle(script.settlement(asked, admitted, charged=False))
    again = admitted_of(await race(script, (store, other), **given))
    assert [answer.step for _, answer in again] == [1]


async def test_an_upstream_error_gives_the_step_back_and_keeps_the_call(store, other, script):
    given = {
        "limits": (limit(Measure.TOOL_CALLS, 2),),
        "charge": Charge(tool_calls=1),
        "graph": script.move(ONCE),
    }
    ((asked, admitted),) = admitted_of(await race(script, (store, other), **given))
    await other.gate.settle(script.settlement(asked, admitted, burn_step=False))
    ((asked, admitted),) = admitted_of(await race(script, (store, other), **given))
    assert (admitted.step, admitted.limits[0].used) == (1, 2)
    await store.gate.settle(script.settlement(asked, admitted, burn_step=False))
    answers = await race(script, (store, other), **given)
    assert {answer.reason for _, answer in answers} == {Reason.BUDGET_EXCEEDED}


async def test_a_registration_resets_nothing(store, other, script):
    def ask(**given):
        return script.admission(
            turn_id="",
            ambient=True,
            limits=(limit(Measure.TOOL_CALLS, 2),),
            charge=Charge(tool_calls=1),
            **given,
        )

    first = await store.gate.admit(ask(graph=script.move(ONCE)))
    assert await other.agents.set_session("alice", "s2")
    again = await store.gate.admit(ask(graph=script.move(ONCE)))
    assert (again.reason, again.session_id) == (Reason.EDGE_LOOP_EXCEEDED, "s2")
    assert again.turn_id == first.turn_id
    then = await other.gate.admit(ask(graph=script.move(NEXT)))
    assert (then.step, then.limits[0].used, then.turn_id) == (2, 2, first.turn_id)
    assert (await store.gate.admit(ask())).reason is Reason.BUDGET_EXCEEDED
