"""Budgets: what a call reserves before it is forwarded, and the limits that it does not fit.

The pure twin of what the store does in one atomic step. Tokens are counted as input and output
together; money in micro-dollars, rounded up.

1. Output tokens: the limit that the request sets. Where it sets none, the running mean of the
   agent's answers from the model, at least 256, but never more than what is left of the tightest
   token limit; then its cost, too, is no more than what is left, as long as the input fits. So
   the last bit of a budget can be used, and is overshot by no more than the estimate's error.
2. With `lower_output_limit` the output is cut to what is left of tokens and money, and so is the
   limit in the request (`granted_output`). A request that sets none gets one: 4096, or what is
   left; the mean would cut half of the answers.
3. Where there is an answer, at least one token of it is reserved, and every limit must hold
   `used + amount <= maximum`: so a limit with nothing left refuses.
4. A call over a limit that does not block reserves its whole estimate, and its request is left
   as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from amaze_proxy.policy.decision import Limit, Obligations
from amaze_proxy.policy.usage import Charge, Measure, Usage

LEAST_OUTPUT = 256
"""What is reserved at least for the output of a request that sets no limit, in tokens."""

HARD_OUTPUT = 4096
"""The output limit, in tokens, that a request without one gets under hard budgets."""

_MILLION = 1_000_000
_UNLIMITED = 2**62


@dataclass(frozen=True, slots=True)
class Reserved:
    """What the call holds until it is settled, by measure.

    `granted_output`: the output limit to put in the request (-1: leave the request as it is).
    `exceeded`: limits that are overshot, but do not block.
    """

    tokens: int = 0
    cost_microusd: int = 0
    tool_calls: int = 0
    agent_calls: int = 0
    granted_output: int = -1
    exceeded: tuple[Limit, ...] = ()

    def amount(self, measure: Measure) -> int:
        """What counts against a limit of this measure that the call has."""
        match measure:
            case Measure.TOKENS:
                return self.tokens
            case Measure.COST:
                return self.cost_microusd
            # only a call of that kind has such a limit, and it is at least one
            case Measure.TOOL_CALLS:
                return max(1, self.tool_calls)
            case Measure.AGENT_CALLS:
                return max(1, self.agent_calls)
            case _:
                assert_never(measure)


@dataclass(frozen=True, slots=True)
class Over:
    """The call does not fit `limit`, of which `used` is used or reserved by others."""

    limit: Limit
    used: int


def reserve(
    obligations: Obligations, usage: Usage, charge: Charge, mean_output: int = 0
) -> Reserved | Over:
    """What the call reserves, or the first limit that refuses it."""
    wanted = _wanted(charge, mean_output)
    held = _cut(obligations, usage, charge, wanted)
    failing = tuple(
        limit
        for limit in obligations.limits
        if held.amount(limit.measure) > limit.maximum - usage.used.get(limit.name, 0)
    )
    if not failing:
        return held
    if obligations.budget_blocks and not obligations.shadow:
        return Over(failing[0], usage.used.get(failing[0].name, 0))
    return _reserved(charge, wanted, exceeded=failing)


def _wanted(charge: Charge, mean_output: int) -> int:
    if charge.output_limit is not None:
        # a negative limit would give budget back
        return max(0, charge.output_limit)
    # without a mean's key it is no call of a model: it has no output to pay for
    return max(LEAST_OUTPUT, mean_output) if charge.mean_key else 0


def _cut(obligations: Obligations, usage: Usage, charge: Charge, wanted: int) -> Reserved:
    """The reservation for what is left, not yet checked against the limits."""
    if not wanted:
        return _reserved(charge, 0)
    tokens_left = _left(obligations.limits, usage, Measure.TOKENS)
    money_left = _left(obligations.limits, usage, Measure.COST)
    unset = charge.output_limit is None
    token_room = tokens_left - _input(charge)
    if obligations.lower_output_limit:
        limited = min(tokens_left, money_left) < _UNLIMITED
        asked = HARD_OUTPUT if unset and limited else wanted
        output = max(1, min(asked, token_room, _affordable(charge, money_left)))
        granted = output if limited and (unset or output < wanted) else -1
        return _reserved(charge, output, granted_output=granted)
    if unset:
        output = max(1, min(wanted, token_room))
        most_cost = money_left if _cost(charge, 0) <= money_left > 0 else _UNLIMITED
        return _reserved(charge, output, most_cost)
    return _reserved(charge, wanted)


def _reserved(
    charge: Charge,
    output: int,
    most_cost: int = _UNLIMITED,
    granted_output: int = -1,
    exceeded: tuple[Limit, ...] = (),
) -> Reserved:
    return Reserved(
        tokens=_input(charge) + output,
        cost_microusd=min(_cost(charge, output), most_cost),
        tool_calls=charge.tool_calls,
        agent_calls=charge.agent_calls,
        granted_output=granted_output,
        exceeded=exceeded,
    )


def _input(charge: Charge) -> int:
    return max(0, charge.input_tokens)


def _cost(charge: Charge, output: int) -> int:
    price = _input(charge) * charge.input_price + output * charge.output_price
    return -(-price // _MILLION)  # rounded up


def _affordable(charge: Charge, money: int) -> int:
    """The most output tokens that the money pays for, after the input."""
    if not charge.output_price:
        return _UNLIMITED
    return (money * _MILLION - _input(charge) * charge.input_price) // charge.output_price


def _left(limits: tuple[Limit, ...], usage: Usage, measure: Measure) -> int:
    return min(
        (one.maximum - usage.used.get(one.name, 0) for one in limits if one.measure is measure),
        default=_UNLIMITED,
    )
