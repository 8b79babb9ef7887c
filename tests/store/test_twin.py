"""What the store decides in one atomic step is what the pure twins say."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_proxy.policy import budget, graph
from amaze_proxy.policy.decision import GraphMove, GraphStep, Limit, Obligations
from amaze_proxy.policy.usage import Charge, Measure, Usage
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

AMOUNTS = st.one_of(st.integers(0, 20), st.integers(0, 600), st.integers(0, 10**10))


def limit_of(measure, maximum, window_ms):
    name = f"{measure.value}:{window_ms}" if window_ms else measure.value
    return Limit(name, measure, maximum, window_ms)


LIMITS = st.builds(
    limit_of, st.sampled_from(Measure), AMOUNTS, st.sampled_from([0, 60_000, 3_600_000])
)
CHARGES = st.builds(
    Charge,
    input_tokens=AMOUNTS,
    output_limit=st.none() | AMOUNTS,
    mean_key=st.sampled_from(["", "openai/gpt"]),
    input_price=st.sampled_from([0, 1, 150_000, 3_000_000, 75_000_000]),
    output_price=st.sampled_from([0, 7, 600_000, 15_000_000]),
    tool_calls=st.integers(0, 2),
    agent_calls=st.integers(0, 2),
)
SPENT = st.builds(
    Charge,
    input_tokens=AMOUNTS,
    output_limit=st.just(0),
    input_price=st.sampled_from([0, 1_000_000]),
    tool_calls=st.integers(0, 3),
    agent_calls=st.integers(0, 3),
)
POLICIES = st.builds(
    Obligations,
    limits=st.lists(LIMITS, max_size=4, unique_by=lambda limit: limit.name).map(tuple),
    budget_blocks=st.booleans(),
    lower_output_limit=st.booleans(),
)


async def reserve(url, script, obligations, spent, mean, charge):
    store = await open_store(url, timeout=PATIENCE)
    try:
        await store.client.flushall()
        await script.enrol(store)
        if mean:
            await store.client.hset("mean:{alice}", "openai/gpt", f"1:{mean}")
        before = await store.gate.admit(
            script.admission(limits=obligations.limits, charge=spent, budget_blocks=False)
        )
        asked = script.admission(
            limits=obligations.limits,
            charge=charge,
            budget_blocks=obligations.budget_blocks,
            lower_output_limit=obligations.lower_output_limit,
        )
        return {state.name: state.used for state in before.limits}, await store.gate.admit(asked)
    finally:
        await store.close()


@given(obligations=POLICIES, spent=SPENT, mean=st.integers(0, 2000), charge=CHARGES)
@settings(max_examples=150)
def test_budgets_agree(server, script, obligations, spent, mean, charge):
    used, admitted = asyncio.run(reserve(server.url, script, obligations, spent, mean, charge))
    said = budget.reserve(obligations, Usage(used=used), charge, mean)
    if isinstance(said, budget.Over):
        assert admitted.outcome is Outcome.REFUSED
        assert (admitted.failed_limit, admitted.reason) == (said.limit.name, said.limit.reason)
        assert {state.name: state.used for state in admitted.limits} == used
        return
    assert admitted.outcome is Outcome.ADMITTED
    assert admitted.granted_output == said.granted_output
    assert set(admitted.alerts) == {limit.reason for limit in said.exceeded}
    assert {state.name: state.used for state in admitted.limits} == {
        limit.name: used[limit.name] + said.amount(limit.measure) for limit in obligations.limits
    }


STEPS = st.lists(
    st.builds(
        GraphStep,
        step_id=st.integers(1, 4),
        after=st.lists(st.none() | st.integers(1, 4), max_size=3).map(tuple),
        max_loops=st.integers(0, 2),
    ),
    max_size=3,
    unique_by=lambda step: step.step_id,
).map(
    lambda steps: tuple(
        GraphStep(one.step_id, tuple(p for p in one.after if p != one.step_id), one.max_loops)
        for one in steps
    )
)


async def walk(url, script, moves):
    store = await open_store(url, timeout=PATIENCE)
    try:
        await store.client.flushall()
        await script.enrol(store)
        return [await store.gate.admit(script.admission(graph=one)) for one in moves]
    finally:
        await store.close()


@given(moves=st.lists(STEPS.map(lambda steps: GraphMove(steps, ((None, "begin"),))), max_size=12))
@settings(max_examples=50)
def test_graphs_agree(server, script, moves):
    position, loops = None, {}
    for move, admitted in zip(moves, asyncio.run(walk(server.url, script, moves)), strict=True):
        said = graph.step(move, Usage(step=position, loops=loops))
        if isinstance(said, graph.Misstep):
            assert admitted.reason is said.reason
            if position is None:
                assert admitted.expected == said.expected
        else:
            assert admitted.step == said.step_id
            position, loops[said.step_id] = said.step_id, said.run
