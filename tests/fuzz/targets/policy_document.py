"""A policy is refused by PolicyError alone; one that loads is what its canonical text loads as."""

from __future__ import annotations

import json
from typing import Any

import yaml

from amaze_proxy.policy import PolicyError, canonical_json, load_policy, parse_policy, sha256


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    try:
        policy = load_policy(text)
    except PolicyError:
        return
    canonical = canonical_json(policy)
    again = load_policy(canonical)
    assert again == policy
    assert canonical_json(again) == canonical
    assert sha256(again) == sha256(policy)
    for plain in _plain(text):
        assert parse_policy(plain) == policy


class _FirstWins(yaml.SafeLoader):
    """Of a key that is there twice, the first; SafeLoader takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        node.value.reverse()
        return super().construct_mapping(node, deep)


def _plain(text: str) -> list[object]:
    """What readers that refuse less take the text for."""
    try:
        return [json.loads(text), json.loads(text, object_pairs_hook=_first_wins)]
    except ValueError:
        return [yaml.load(text, loader) for loader in (yaml.SafeLoader, _FirstWins)]


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))
