"""What is wrong with a policy, in the words of the person who wrote it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_MOST = 20

# By pydantic's type of error; `{…}` are of its context.
_WORDS = {
    "missing": "is required",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "string_unicode": "must be a text of valid Unicode",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must have no control characters",
    "tuple_type": "must be a list",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must not be empty",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "enum": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "decimal_type": "must be an amount in dollars, such as 0.50",
    "decimal_parsing": "must be an amount in dollars, such as 0.50",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "value_error": "{error}",
}
_NOT_SHOWN = {"missing", "value_error"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One field (as a path such as `graph.steps[0].callee_id`; empty: the whole) and its fault."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class PolicyError(ValueError):
    """The text is no policy. `problems` name each field, what is wrong, and what is allowed."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def found_by(error: ValidationError) -> tuple[Problem, ...]:
    """pydantic's findings as ours, the first twenty."""
    found = error.errors(include_url=False)[:_MOST]
    return tuple(Problem(_path(one["loc"]), _message(one)) for one in found)


def _path(loc: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")


def _message(one: ErrorDetails) -> str:
    words = _WORDS.get(one["type"], one["msg"])
    if one["type"] in _WORDS:
        words = words.format_map(one.get("ctx", {}))
    if one["type"] in _NOT_SHOWN:
        return words
    shown = repr(one["input"])
    return f"{words}, not {shown if len(shown) <= 60 else shown[:57] + '...'}"
