"""What a field of the policy's form is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a field is written in the form."""

    TEXT = "text"
    COUNT = "count"
    DOLLARS = "dollars"
    FLAG = "flag"
    CHOICE = "choice"  # the first option is the default
    NAMES = "names"
    CALLERS = "callers"  # names, where none and no list are two things
    TOKENS = "tokens"  # windows
    COSTS = "costs"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Entry:
    """A field. `known` names what is suggested (`Suggestions`), `such_as` is an example."""

    name: str
    label: str
    help: str
    kind: Kind
    options: tuple[str, ...] = ()
    known: str = ""
    such_as: str = ""
