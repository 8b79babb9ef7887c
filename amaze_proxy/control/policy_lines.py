"""The line of a field in the text of a policy, for whoever has to mend it there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from amaze_proxy.policy.document import MOST_CHARACTERS, MOST_NESTING

# What the reader of documents says of a text that is no YAML or JSON.
_SAID = re.compile(r"\(line ([0-9]{1,9}), column [0-9]{1,9}\)")
_INDEX = re.compile(r"\[([0-9]{1,9})\](?:\.|(?=\[)|$)")


class Lines:
    """The places of one text, which may be no policy."""

    def __init__(self, text: str) -> None:
        self._root: yaml.Node | None = None
        if len(text) <= MOST_CHARACTERS:
            try:
                self._root = yaml.compose(text, Loader=_Loader)
            except (yaml.YAMLError, ValueError):
                pass  # then the fault's own words say where

    def of(self, field: str, message: str = "") -> int | None:
        """The line, from 1, of a field such as `graph.steps[0].callee_id`, or of the nearest one
        round it; None where it cannot be told. `message` is what is wrong with it."""
        if said := _SAID.search(message):
            return int(said[1])
        if self._root is None:
            return None
        return _line(self._root, field, message)


class _Loader(yaml.SafeLoader):
    """Goes no deeper than a policy may be: each level more costs a scan of what follows."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.depth > MOST_NESTING:
            raise yaml.YAMLError("too deep")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _line(node: yaml.Node, rest: str, message: str) -> int | None:
    line: int | None = None
    while True:
        found = _unknown_key(node, message) if not rest else _below(node, rest)
        if found is None:
            return line
        line, node, rest = found
        if not rest and not isinstance(node, yaml.MappingNode):
            return line


Found = tuple[int, yaml.Node, str]


def _below(node: yaml.Node, rest: str) -> Found | None:
    if isinstance(node, yaml.MappingNode):
        return _in_mapping(node, rest)
    match = _INDEX.match(rest)
    if isinstance(node, yaml.SequenceNode) and match and int(match[1]) < len(node.value):
        child = node.value[int(match[1])]
        return child.start_mark.line + 1, child, rest[match.end() :]
    return None


def _in_mapping(node: yaml.MappingNode, rest: str) -> Found | None:
    # a key may have dots itself (`tool_rules.files.read`): the longest that fits is meant
    named = [
        (key, child)
        for key, child in _pairs(node.value)
        if rest == key.value or rest.startswith((f"{key.value}.", f"{key.value}["))
    ]
    if not named:
        return None
    key, child = max(named, key=lambda pair: len(pair[0].value))
    return key.start_mark.line + 1, child, rest[len(key.value) :].removeprefix(".")


def _unknown_key(node: yaml.Node, message: str) -> Found | None:
    """A fault of a mapping may be that of a key which it should not have."""
    if isinstance(node, yaml.MappingNode):
        for key, _ in _pairs(node.value):
            if message.startswith(f"unknown key {key.value[:80]!r}:"):
                return key.start_mark.line + 1, key, ""
    return None


def _pairs(
    pairs: Sequence[tuple[yaml.Node, yaml.Node]],
) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    return [(key, child) for key, child in pairs if isinstance(key, yaml.ScalarNode)]
