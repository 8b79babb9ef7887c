"""Versions of a policy, and what is different between two, as their page shows them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from amaze_app import policy_draft, routes
from amaze_app.gateway.policies import Comparison, PolicyVersion, parse

_VALUE_MAX = 4_000
_TONES = {"added": "good", "removed": "bad", "changed": "warn", "reordered": "calm"}


@dataclass(frozen=True)
class VersionRow:
    """A version; `href` compares it with its parent."""

    number: int
    parent: int
    author: str
    created_ms: int
    comment: str
    sha256: str
    href: str


@dataclass(frozen=True)
class ChangeRow:
    """A field that is another one; `old` and `new` are "" where there is none."""

    key: int
    path: str
    kind: str
    tone: str
    old: str
    new: str


def version_row(agent_id: str, version: PolicyVersion) -> VersionRow:
    """As the list shows it."""
    return VersionRow(
        number=version.version,
        parent=version.parent,
        author=version.author,
        created_ms=version.created_ms,
        comment=version.comment,
        sha256=version.sha256,
        href=routes.policy_version(agent_id, version.version),
    )


def change_rows(comparison: Comparison) -> list[ChangeRow]:
    """Field by field, in the order of the schema."""
    return [
        ChangeRow(place, one.path, one.kind, _TONES[one.kind], _said(one.old), _said(one.new))
        for place, one in enumerate(comparison.changes)
    ]


def text_of(version: PolicyVersion) -> str:
    """Its YAML."""
    # by way of the model: the canonical text has its keys by the alphabet
    return policy_draft.as_yaml(
        parse(version.document).model_dump(mode="json", exclude_defaults=True)
    )


def older(versions: Sequence[PolicyVersion], limit: int) -> int:
    """Where the next page begins, of one that was asked for `limit` + 1 versions; 0: the last."""
    return versions[limit - 1].version if len(versions) > limit else 0


def _said(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = value or '""'
    elif isinstance(value, dict):
        text = policy_draft.as_yaml(value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_MAX else text[:_VALUE_MAX] + " …"
