"""The types of a policy's fields: what a value may be, and what it becomes.

Numbers are capped at 10**15: the store counts in IEEE 754 doubles, which are exact up to 2**53.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StringConstraints,
    model_validator,
)

from amaze_proxy.policy import ids

MICRO = 1_000_000
MOST = 10**15

_WINDOW = re.compile(r"([0-9]{1,12})([smhd])")
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Strict(BaseModel):
    """Frozen, and an unknown key is an error that names the key and the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: object) -> object:
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    raise ValueError(_unknown_key(key, cls.model_fields))
        return data


def _unknown_key(key: object, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(str(key)[:80], names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(names)}"
    return f"unknown key {str(key)[:80]!r}: {hint}"


def _given(value: object) -> object:
    # `allowed_callers:` with nothing behind it could mean nobody or anybody
    if value is None:
        raise ValueError("has no value: leave the key out, or give it one")
    return value


def _window(value: object) -> str:
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 0 < int(match[1]) * _UNIT_MS[match[2]] <= MOST:
        raise ValueError("must be a number and a unit (s, m, h or d), such as '10m'")
    return f"{int(match[1])}{match[2]}"


def window_ms(window: str) -> int:
    """The milliseconds of a checked window."""
    return int(window[:-1]) * _UNIT_MS[window[-1]]


def _no_bool(value: object) -> object:
    # bool is an int in Python: `max_cost_usd_per_turn: yes` would be one dollar
    if isinstance(value, bool):
        raise ValueError("must be an amount in dollars, such as 0.50")
    return value


def _dollars_to_json(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def microusd(dollars: Decimal) -> int:
    """Integer micro-dollars; exact, because a checked amount has at most six decimal places."""
    return int(dollars * MICRO)


def _scalar(value: object) -> str | bool | int | float:
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError("must be a text, a number, true or false")


Count = Annotated[int, Field(strict=True, ge=0, le=MOST)]
"""How many; 0 = unlimited."""

Dollars = Annotated[
    Decimal,
    BeforeValidator(_no_bool),
    # a smaller amount would be rounded to 0, which is unlimited
    Field(ge=0, le=MOST // MICRO, decimal_places=6),
    PlainSerializer(_dollars_to_json, return_type=float, when_used="json"),
]
"""Money; 0 = unlimited."""

Given = BeforeValidator(_given)
"""An optional field that can be left out, but cannot be null."""


def optional(description: str) -> Any:
    """A field that may be left out, and then is not written either."""
    return Field(None, description=description, exclude_if=lambda value: value is None)


Flag = StrictBool
Text = Annotated[str, StringConstraints(max_length=200, pattern=r"\A[^\x00-\x1f\x7f]*\z")]
Window = Annotated[str, BeforeValidator(_window)]
Scalar = Annotated[
    str | bool | int | float,
    PlainValidator(_scalar, json_schema_input_type=str | bool | int | float),
]

AgentId = Annotated[str, AfterValidator(ids.check_agent_id)]
ProviderName = Annotated[str, AfterValidator(ids.check_word)]
MemberName = Annotated[str, AfterValidator(ids.check_member)]
ScopedGlob = Annotated[str, AfterValidator(ids.check_scoped_glob)]
Glob = Annotated[str, AfterValidator(ids.check_glob)]
HostPattern = Annotated[str, AfterValidator(ids.check_host)]
