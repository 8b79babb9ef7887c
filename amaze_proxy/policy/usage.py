"""What an agent has used: the counters a decision is judged against. A snapshot, never live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Measure(StrEnum):
    """What a limit counts. Money is in integer micro-dollars."""

    TOKENS = "tokens"
    COST = "cost"
    TOOL_CALLS = "tool_calls"
    AGENT_CALLS = "agent_calls"


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters of the current turn, of each window (by the limit's name), and the graph position.

    `used` maps a limit's name (see `Limit.name`) to what is used or reserved under it.
    `step` is the graph step the turn is at (None: not begun); `loops` how often each step ran.
    """

    used: Mapping[str, int] = field(default_factory=dict)
    step: int | None = None
    loops: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call is expected to use, reserved before it is forwarded.

    `output_limit` is the limit the request itself sets (None: it sets none, the store's running
    mean for `mean_key` is used). Prices are micro-dollars per million tokens.
    """

    input_tokens: int = 0
    output_limit: int | None = None
    mean_key: str = ""
    input_price: int = 0
    output_price: int = 0
    tool_calls: int = 0
    agent_calls: int = 0
