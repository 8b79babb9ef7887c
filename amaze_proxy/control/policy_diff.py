"""What is different between two policies, field by field.

Fields are compared as they count, so one that is not written has its default. Paths are written
as in the problems of a policy, but an entry with a name of its own is found by it:
`graph.steps[step_id=3].max_loops`, `token_rate_limits[window=10m].max_tokens`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from amaze_proxy.policy.model import Policy

_NAMED_BY = {"steps": "step_id", "token_rate_limits": "window", "cost_rate_limits": "window"}


class ChangeKind(StrEnum):
    """What happened to a field, or to an entry of a list."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    REORDERED = "reordered"  # a list with the same entries; `old` and `new` are their order


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; values are plain JSON, None for what is not there."""

    path: str
    kind: ChangeKind
    old: object
    new: object


def diff(old: Policy, new: Policy) -> tuple[Change, ...]:
    """The differences, in the order of the policy's fields."""
    return tuple(_of_mappings("", old.model_dump(mode="json"), new.model_dump(mode="json")))


def _of_values(path: str, old: object, new: object) -> Iterator[Change]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _of_mappings(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        name = _NAMED_BY.get(path.rpartition(".")[2])
        yield from _of_named(path, name, old, new) if name else _of_lists(path, old, new)
    elif _text(old) != _text(new):
        yield Change(path, ChangeKind.CHANGED, old, new)


def _of_mappings(
    path: str, old: Mapping[str, object], new: Mapping[str, object]
) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        below = f"{path}.{key}" if path else key
        if key not in new:
            yield Change(below, ChangeKind.REMOVED, old[key], None)
        elif key not in old:
            yield Change(below, ChangeKind.ADDED, None, new[key])
        else:
            yield from _of_values(below, old[key], new[key])


def _of_lists(path: str, old: Sequence[object], new: Sequence[object]) -> Iterator[Change]:
    before, after = Counter(map(_text, old)), Counter(map(_text, new))
    gone, come = before - after, after - before
    for text in gone.elements():
        yield Change(path, ChangeKind.REMOVED, json.loads(text), None)
    for text in come.elements():
        yield Change(path, ChangeKind.ADDED, None, json.loads(text))
    if not gone and not come and list(map(_text, old)) != list(map(_text, new)):
        yield Change(path, ChangeKind.REORDERED, list(old), list(new))


def _of_named(
    path: str, name: str, old: Sequence[Mapping[str, object]], new: Sequence[Mapping[str, object]]
) -> Iterator[Change]:
    before = {str(entry[name]): entry for entry in old}
    after = {str(entry[name]): entry for entry in new}
    for key in dict.fromkeys((*before, *after)):
        below = f"{path}[{name}={key}]"
        if key not in after:
            yield Change(below, ChangeKind.REMOVED, before[key], None)
        elif key not in before:
            yield Change(below, ChangeKind.ADDED, None, after[key])
        else:
            yield from _of_mappings(below, before[key], after[key])
    if before.keys() == after.keys() and list(before) != list(after):
        yield Change(path, ChangeKind.REORDERED, list(before), list(after))


def _text(value: object) -> str:
    """Tells apart what JSON tells apart: Python has 1 == True == 1.0."""
    return json.dumps(value, sort_keys=True)
