"""A policy's text as a document of fields, and back: what form and graph change. Pure.

A document may be no policy; whether it is one is judged elsewhere, on the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from amaze_app.gateway.policies import Policy, PolicyInvalid, read

EMPTY = "{}\n"
"""The policy that allows nothing."""

_ORDER = {name: place for place, name in enumerate(Policy.model_fields)}
_DEFAULTS: dict[str, object] = Policy().model_dump(mode="json")

_BREAKS = frozenset("\x85\u2028\u2029\ufeff")


def document(text: str) -> dict[str, Any] | None:
    """The mapping that YAML or JSON stands for, read as strictly as a policy is (no anchors, no
    tags, no key twice, bounded); None where it is none."""
    try:
        found = read(text)
    except PolicyInvalid:
        return None
    named = isinstance(found, dict) and all(isinstance(name, str) for name in found)
    return found if named else None


def written(fields: Mapping[str, Any]) -> str:
    """YAML of a document: fields in the order of the schema, unknown ones last, without what is
    the default anyway. `allowed_callers: []` (nobody) is not the default (anybody)."""
    names = sorted(fields, key=lambda name: _ORDER.get(name, len(_ORDER)))
    kept = {name: fields[name] for name in names if not _is_default(name, fields[name])}
    return as_yaml(kept)


def as_yaml(value: Mapping[str, Any]) -> str:
    """YAML of a mapping, as it is."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def with_field(fields: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The document with another value of the field."""
    return {**fields, name: value}


def without_field(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The document without the field."""
    return {key: value for key, value in fields.items() if key != name}


def _is_default(name: str, value: object) -> bool:
    if name not in _DEFAULTS:
        return False
    default = _DEFAULTS[name]
    # False is 0 to Python, and no number to a policy
    return isinstance(value, bool) == isinstance(default, bool) and value == default


class _Dumper(yaml.SafeDumper):
    """Without aliases: a policy must not have any, also where one list was set twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        # unquoted, or in single quotes, these would be read as a line's end, and folded
        style = '"' if _BREAKS.intersection(data) else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)  # entries of lists stand below their field's name


_Dumper.add_representer(str, _Dumper.represent_str)
