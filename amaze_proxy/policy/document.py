"""Text to plain data: YAML or JSON, strictly. No IO.

Refused: duplicate keys (parsers differ in which one counts), anchors, aliases, merge keys and tags
(the text would not mean what it shows, and a small one could stand for a huge one), nesting beyond
32, more than 256 KiB, NaN and infinity in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import yaml

MOST_CHARACTERS = 256 * 1024
MOST_NESTING = 32

_TOO_DEEP = f"is nested deeper than {MOST_NESTING}"
_MERGE = "tag:yaml.org,2002:merge"


class NotUnderstood(ValueError):
    """The text stands for nothing, or not for one thing alone."""


def read_document(text: str) -> object:
    """The value that the text stands for. Raises NotUnderstood, saying where."""
    if len(text) > MOST_CHARACTERS:
        raise NotUnderstood(f"is longer than {MOST_CHARACTERS} characters")
    try:
        value = _read_json(text) if text.lstrip().startswith("{") else _read_yaml(text)
    except NotUnderstood:
        raise
    except RecursionError:
        raise NotUnderstood(_TOO_DEEP) from None
    except ValueError as error:  # a date that is none, a number of 5,000 digits
        raise NotUnderstood(f"has a value that is not understood: {error}") from None
    _check_nesting(value, MOST_NESTING)
    return value


def _check_nesting(value: object, left: int) -> None:
    if left < 0:
        raise NotUnderstood(_TOO_DEEP)
    children = value.values() if isinstance(value, dict) else value
    if isinstance(children, Iterable) and not isinstance(children, str | bytes):
        for child in children:
            _check_nesting(child, left - 1)


def _read_json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError:
        return _read_yaml(text)  # a YAML flow mapping begins like JSON


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise NotUnderstood(f"has the key {key[:80]!r} twice")
        found[key] = value
    return found


def _no_constant(name: str) -> object:
    raise NotUnderstood(f"has {name}, which is no JSON number")


def _read_yaml(text: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise NotUnderstood(f"is no YAML or JSON: {error.problem}{where}") from None
    except yaml.YAMLError as error:
        raise NotUnderstood(f"is no YAML or JSON: {str(error).splitlines()[0]}") from None


class _Loader(yaml.SafeLoader):
    """SafeLoader without what could make a text mean something else than it shows."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed", event)
        if getattr(event, "tag", None) is not None:
            raise _refused("tags are not allowed", event)
        if self.depth > MOST_NESTING:  # at once: each level more costs a scan of what follows
            raise NotUnderstood(_TOO_DEEP)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                raise _refused("a key must be a name", key)
            if key.value in seen:
                raise _refused(f"the key {key.value[:80]!r} is there twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _refused(why: str, where: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=where.start_mark)
