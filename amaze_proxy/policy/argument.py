"""Rules on the arguments of a tool call."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import SchemaError

from amaze_proxy.policy.fields import Count, Flag, Given, Scalar, Strict, optional


class _Missing:
    """The value of an argument that the call does not have (JSON null is a value)."""


MISSING = _Missing()


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> TypeAdapter[str]:
    """A validator of texts that the pattern matches whole. Raises SchemaError.

    The engine is Rust's `regex`, which matches in linear time: it has no back-references and no
    look-around. The group keeps inline flags such as `(?m)` off the anchors.
    """
    anchored = StringConstraints(pattern=rf"\A(?:{pattern})\z", strict=True)
    return TypeAdapter(Annotated[str, anchored], config=ConfigDict(regex_engine="rust-regex"))


def _check_pattern(pattern: str) -> str:
    try:
        # alone first: `a)|(b` is only valid inside the group
        TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
        _compiled(pattern)
    except SchemaError as error:
        detail = str(error).splitlines()[-1].strip().removeprefix("error: ")
        raise ValueError(
            f"{pattern[:80]!r} is no RE2-style regular expression ({detail}); "
            "back-references and look-around are not allowed"
        ) from None
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_pattern)]

Choice = Annotated[tuple[Scalar, ...], Field(min_length=1)]


class ArgumentRule(Strict):
    """What one argument must be; all the conditions that are given must hold.

    `equals`, `one_of` and `matches` need the argument to be there: what a server does without it
    is not known here. `absent: false` says only that it must be there.
    """

    equals: Annotated[Scalar | None, Given] = optional("exactly this value")
    one_of: Annotated[Choice | None, Given] = optional("one of these values")
    matches: Annotated[Pattern | None, Given] = optional("this pattern matches all of the text")
    max_length: Annotated[Count | None, Given] = optional("at most so many characters or items")
    absent: Annotated[Flag | None, Given] = optional("true: not there; false: must be there")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        given = self.model_fields_set
        if not given:
            raise ValueError("needs one of equals, one_of, matches, max_length, absent")
        if self.absent and given != {"absent"}:
            raise ValueError("an argument that must be absent can have no other condition")
        return self

    def broken_by(self, value: object) -> str:
        """What the value (or MISSING) should have been; empty when the rule holds."""
        if self.absent:
            return "" if value is MISSING else "must be absent"
        if value is MISSING:
            return "" if self.model_fields_set == {"max_length"} else "is required"
        if self.equals is not None and not same(value, self.equals):
            return f"must be {self.equals!r}"
        if self.one_of is not None and not any(same(value, v) for v in self.one_of):
            return f"must be one of {', '.join(repr(v) for v in self.one_of)}"
        if self.matches is not None and not _matches(self.matches, value):
            return f"must match {self.matches!r} from beginning to end"
        if self.max_length is not None and not _fits(value, self.max_length):
            return f"must be a text or a list no longer than {self.max_length}"
        return ""


def same(value: object, expected: object) -> bool:
    """JSON equality: 1 is 1.0 but not true."""
    return isinstance(value, bool) == isinstance(expected, bool) and value == expected


def _matches(pattern: str, value: object) -> bool:
    try:
        _compiled(pattern).validate_python(value)
    except ValidationError:
        return False
    return True


def _fits(value: object, most: int) -> bool:
    # a number, an object: their length is nothing one could mean, so they do not fit
    return isinstance(value, str | list | tuple) and len(value) <= most
