import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.budget import HARD_OUTPUT, LEAST_OUTPUT, Over, Reserved, reserve
from amaze_proxy.policy.decision import Limit, Obligations
from amaze_proxy.policy.usage import Charge, Measure, Usage

TOKENS = Limit("tokens", Measure.TOKENS, 1_000)
WINDOW = Limit("tokens:10m", Measure.TOKENS, 500, 600_000)
COST = Limit("cost", Measure.COST, 1_000)
TOOLS = Limit("tool_calls", Measure.TOOL_CALLS, 2)
AGENTS = Limit("agent_calls", Measure.AGENT_CALLS, 2)
PRICED = Charge(input_tokens=100, mean_key="p/m", input_price=1_000_000, output_price=2_000_000)
FREE = Charge(input_tokens=100, mean_key="p/m")


def soft(*limits: Limit) -> Obligations:
    return Obligations(limits=limits)


def hard(*limits: Limit) -> Obligations:
    return Obligations(limits=limits, lower_output_limit=True)


def asking(output: int, charge: Charge = FREE) -> Charge:
    return Charge(charge.input_tokens, output, "p/m", charge.input_price, charge.output_price)


@pytest.mark.parametrize(
    ("duty", "used", "charge", "mean", "tokens", "granted"),
    [
        (soft(), {}, FREE, 0, 100 + LEAST_OUTPUT, -1),
        (soft(), {}, FREE, 300, 400, -1),
        (soft(), {}, asking(50), 300, 150, -1),
        (soft(), {}, Charge(input_tokens=100), 300, 100, -1),  # no model, no output
        (soft(TOKENS), {}, asking(900), 0, 1_000, -1),
        (soft(TOKENS), {}, asking(901), 0, TOKENS, -1),
        (soft(TOKENS), {"tokens": 800}, FREE, 0, 200, -1),
        (soft(TOKENS, WINDOW), {"tokens:10m": 390}, FREE, 0, 110, -1),
        (soft(TOKENS), {"tokens": 900}, FREE, 0, TOKENS, -1),
        (soft(TOKENS), {"tokens": 5_000}, FREE, 0, TOKENS, -1),
        (soft(TOKENS), {"tokens": 900}, asking(0), 0, 100, -1),
        (soft(TOKENS), {"tokens": 901}, asking(0), 0, TOKENS, -1),
        (soft(TOKENS), {"tokens": 900}, asking(-900), 0, 100, -1),
        (hard(), {}, FREE, 0, 356, -1),
        (hard(), {}, asking(9_000), 0, 9_100, -1),
        (hard(TOKENS), {}, asking(100), 0, 200, -1),
        (hard(TOKENS), {}, asking(5_000), 0, 1_000, 900),
        (hard(TOKENS), {"tokens": 899}, asking(5_000), 0, 101, 1),
        (hard(TOKENS), {"tokens": 900}, asking(5_000), 0, TOKENS, -1),
        (hard(TOKENS), {"tokens": 950}, asking(0), 0, TOKENS, -1),
        (hard(TOKENS), {}, FREE, 0, 1_000, 900),
        (hard(Limit("tokens", Measure.TOKENS, 10**6)), {}, FREE, 0, 100 + HARD_OUTPUT, HARD_OUTPUT),
        (hard(TOKENS, WINDOW), {}, asking(5_000), 0, 500, 400),
        (hard(COST), {}, asking(5_000, PRICED), 0, 550, 450),
        (hard(COST), {}, PRICED, 0, 550, 450),
        (hard(COST), {"cost": 900}, PRICED, 0, COST, -1),
        (hard(COST), {"cost": 899}, PRICED, 0, COST, -1),
        (hard(COST), {"cost": 898}, PRICED, 0, 101, 1),
    ],
)
def test_tokens(
    duty: Obligations,
    used: dict[str, int],
    charge: Charge,
    mean: int,
    tokens: int | Limit,
    granted: int,
) -> None:
    got = reserve(duty, Usage(used), charge, mean)
    if isinstance(tokens, Limit):
        assert got == Over(tokens, used.get(tokens.name, 0))
    else:
        assert isinstance(got, Reserved)
        assert (got.tokens, got.granted_output) == (tokens, granted)


@pytest.mark.parametrize(
    ("used", "charge", "cost"),
    [
        (0, asking(450, PRICED), 1_000),
        (0, asking(451, PRICED), None),
        (0, PRICED, 612),
        (800, PRICED, 200),  # no more than what is left, as the input fits
        (900, PRICED, 100),
        (901, PRICED, None),
        (1_000, PRICED, None),
        (1_000, FREE, 0),
        (0, asking(1, Charge(0, input_price=0, output_price=1)), 1),  # rounded up
    ],
)
def test_money(used: int, charge: Charge, cost: int | None) -> None:
    got = reserve(soft(COST), Usage({"cost": used}), charge)
    if cost is None:
        assert got == Over(COST, used)
    else:
        assert isinstance(got, Reserved)
        assert got.cost_microusd == cost


@pytest.mark.parametrize("limit", [TOOLS, AGENTS])
@pytest.mark.parametrize(("used", "calls", "fits"), [(1, 1, 1), (2, 1, 0), (2, 0, 0), (1, 2, 0)])
def test_calls(limit: Limit, used: int, calls: int, fits: int) -> None:
    charge = Charge(**{limit.measure.value: calls})
    got = reserve(soft(limit), Usage({limit.name: used}), charge)
    assert isinstance(got, Reserved if fits else Over)
    if isinstance(got, Reserved):
        assert got.amount(limit.measure) == calls


def test_the_first_limit_that_does_not_hold_is_told() -> None:
    used = Usage({"tokens": 1_000, "tokens:10m": 500})
    assert reserve(soft(WINDOW, TOKENS), used, FREE) == Over(WINDOW, 500)


@pytest.mark.parametrize(
    "duty",
    [
        Obligations(limits=(TOKENS, WINDOW), budget_blocks=False),
        Obligations(limits=(TOKENS, WINDOW), shadow=True),
    ],
)
def test_a_budget_that_does_not_block_reserves_the_whole_estimate(duty: Obligations) -> None:
    got = reserve(duty, Usage({"tokens": 1_000, "tokens:10m": 500}), FREE, 300)
    assert got == Reserved(tokens=400, exceeded=(TOKENS, WINDOW))


AMOUNTS = st.integers(0, 2_000)
CHARGES = st.builds(
    Charge,
    AMOUNTS,
    st.none() | st.integers(-10, 2_000),
    st.sampled_from(["", "p/m"]),
    st.integers(0, 3_000_000),
    st.integers(0, 3_000_000),
    st.integers(0, 3),
    st.integers(0, 3),
)
LIMITS = st.lists(
    st.sampled_from([TOKENS, WINDOW, COST, TOOLS, AGENTS]), unique=True, max_size=5
).map(tuple)
DUTIES = st.builds(
    Obligations,
    LIMITS,
    st.none(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
USAGES = st.builds(
    Usage,
    st.dictionaries(st.sampled_from(["tokens", "tokens:10m", "cost", "tool_calls"]), AMOUNTS),
)


@given(DUTIES, USAGES, CHARGES, AMOUNTS)
def test_what_is_reserved_fits_every_limit(
    duty: Obligations, usage: Usage, charge: Charge, mean: int
) -> None:
    got = reserve(duty, usage, charge, mean)
    if isinstance(got, Over):
        assert got.limit in duty.limits
        assert duty.budget_blocks
        assert not duty.shadow
        return
    assert min(got.tokens, got.cost_microusd, got.tool_calls, got.agent_calls) >= 0
    assert got.tokens >= charge.input_tokens
    held = {
        one: usage.used.get(one.name, 0) + got.amount(one.measure) <= one.maximum
        for one in duty.limits
    }
    if got.exceeded:
        assert not duty.budget_blocks or duty.shadow
    else:
        assert all(held.values())


@given(LIMITS, USAGES, CHARGES, AMOUNTS)
def test_hard_budgets_are_never_overshot(
    limits: tuple[Limit, ...], usage: Usage, charge: Charge, mean: int
) -> None:
    got = reserve(hard(*limits), usage, charge, mean)
    wanted = charge.output_limit
    if isinstance(got, Over) or (wanted is None and not charge.mean_key):
        return
    if got.granted_output < 0 and wanted is None:
        assert not {Measure.TOKENS, Measure.COST} & {one.measure for one in limits}
        return
    most = got.granted_output if got.granted_output >= 0 else max(0, wanted or 0)
    assert got.granted_output != 0
    assert wanted is None or most <= max(0, wanted)
    tokens = charge.input_tokens + most
    price = charge.input_tokens * charge.input_price + most * charge.output_price
    cost = math.ceil(Fraction(price, 1_000_000))
    for one in limits:
        worst = {Measure.TOKENS: tokens, Measure.COST: cost}.get(one.measure, 0)
        assert usage.used.get(one.name, 0) + worst <= one.maximum or not worst


@given(DUTIES, USAGES, CHARGES, AMOUNTS, st.integers(1, 500))
def test_using_more_never_turns_a_refusal_into_a_reservation(
    duty: Obligations, usage: Usage, charge: Charge, mean: int, more: int
) -> None:
    fuller = Usage({**usage.used, "tokens": usage.used.get("tokens", 0) + more})
    if isinstance(reserve(duty, usage, charge, mean), Over):
        assert isinstance(reserve(duty, fuller, charge, mean), Over)
