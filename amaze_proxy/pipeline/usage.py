"""What a model call used: from the provider's own count, or estimated from the bytes seen."""

from __future__ import annotations

from dataclasses import dataclass

from amaze_proxy.pipeline.calls import Call
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.llm import Tally, TokenUsage, estimate_output
from amaze_proxy.protocols.prices import PriceBook

_LEAST_OUTPUT = 256  # what is reserved at least for a request that sets no limit


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens, and money in micro-dollars. `burn_step` False: the target did not do the work."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cost_microusd: int = 0
    estimated: bool = False
    burn_step: bool = True


def measure(call: Call, tally: Tally | None, prices: PriceBook, charge: Charge) -> Used:
    """Exact where the answer told it (`tally.usage`), else an estimate that is marked as one."""
    if call.llm is None or not call.llm.model:
        return Used()
    usage = tally.usage if tally else None
    if usage is not None:
        known = prices.cost(call.provider, call.llm.model, usage)
        cost = _by_charge(usage, charge) if known is None else known
        return Used(usage.input, usage.output, usage.cached_read, cost)
    output = estimate_output(tally) if tally else _unseen(call, charge)
    # A stream that was cut may have told its input before.
    begun = tally.begun if tally else None
    guess = begun or TokenUsage(call.llm.input_tokens, 0)
    total = TokenUsage(guess.input, max(output, guess.output))
    return Used(total.input, total.output, guess.cached_read, _by_charge(total, charge), True)


def _unseen(call: Call, charge: Charge) -> int:
    """The output of an answer of which nothing came. A provider that was asked for a whole answer
    goes on writing it, and bills it; a stream stops with its client."""
    if call.llm is None or call.llm.stream:
        return 0
    return _LEAST_OUTPUT if charge.output_limit is None else charge.output_limit


def _by_charge(usage: TokenUsage, charge: Charge) -> int:
    """Rounded up, by the prices that the reservation was made with."""
    total = usage.input * charge.input_price + usage.output * charge.output_price
    return -(-total // 1_000_000)
