"""What the form of a policy shows of a draft, and what it makes of it. Pure.

What is typed goes into the draft as it is, where it is no number too: then the draft is judged,
and says what is wrong with the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from amaze_app import policy_draft
from amaze_app.gateway.policies import Policy, PolicyInvalid, read
from amaze_app.policy_entries import Entry, Kind
from amaze_app.policy_fields import FIELDS

Change = Callable[[str], str]
"""Makes another draft of one; raises Unreadable."""

_LISTS = (Kind.NAMES, Kind.CALLERS, Kind.TOKENS, Kind.COSTS)
_MOST_OF = {Kind.TOKENS: "max_tokens", Kind.COSTS: "max_usd"}
_HEAD = re.compile(r"[^.\[]*")
_DEFAULTS: dict[str, object] = Policy().model_dump(mode="json")
_ENTRIES_MAX = 500


class Unreadable(Exception):
    """The draft, or what was typed, is no YAML; says so to people."""


@dataclass(frozen=True)
class Shown:
    """Of each field its text, its entries, its fault; `faults` are those of the whole.
    `readable`: the draft is YAML, so that its fields can be changed one by one."""

    readable: bool = False
    texts: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def shown(text: str, errors: Iterable[tuple[str, str]]) -> Shown:
    """The fields of a draft; `errors` are pairs of a path and what is wrong there."""
    fields = policy_draft.document(text)
    troubles, faults = _sorted(errors)
    if fields is None:
        return Shown(False, {}, {}, troubles, faults)
    return Shown(
        True,
        {name: _text(entry, fields) for name, entry in FIELDS.items()},
        {
            name: [_entry(entry.kind, one) for one in _entries(fields, name)]
            for name, entry in FIELDS.items()
            if entry.kind in _LISTS
        },
        troubles,
        faults,
    )


def changed(text: str, name: str, typed: str) -> str:
    """The draft with what was typed as the value of a field; nothing typed: its default. Raises
    Unreadable."""
    fields, entry = _fields(text), FIELDS[name]
    if entry.kind is Kind.CALLERS:
        return _with(fields, name, [] if typed == "true" else None)
    if entry.kind in _LISTS:
        raise Unreadable(f"{name} is a list: add to it")
    return _with(fields, name, _value(entry, typed))


def added(text: str, name: str, typed: str) -> str:
    """The draft with further names, which are typed with spaces between them. Raises
    Unreadable."""
    fields = _fields(text)
    if FIELDS[name].kind not in (Kind.NAMES, Kind.CALLERS):
        raise Unreadable(f"{name} is no list of names")
    names = [*_entries(fields, name), *typed.split()[:_ENTRIES_MAX]]
    return _with(fields, name, list({_entry(Kind.NAMES, one): one for one in names}.values()))


def limited(text: str, name: str, window: str, most: str) -> str:
    """The draft with a further window, or with another limit of one that is there. Raises
    Unreadable."""
    fields, kind = _fields(text), FIELDS[name].kind
    if kind not in _MOST_OF:
        raise Unreadable(f"{name} has no windows")
    number = _count(most) if kind is Kind.TOKENS else _dollars(most)
    new = {"window": window.strip(), _MOST_OF[kind]: number}
    kept = [
        one
        for one in _entries(fields, name)
        if not (isinstance(one, dict) and one.get("window") == new["window"])
    ]
    return _with(fields, name, [*kept, new])


def removed(text: str, name: str, entry: str) -> str:
    """The draft without an entry of a list, as the form shows it. Raises Unreadable."""
    fields, kind = _fields(text), FIELDS[name].kind
    if kind not in _LISTS:
        raise Unreadable(f"{name} is no list")
    kept = [one for one in _entries(fields, name) if _entry(kind, one) != entry]
    return _with(fields, name, kept if kept or kind is Kind.CALLERS else None)


def _fields(text: str) -> dict[str, Any]:
    fields = policy_draft.document(text)
    if fields is None:
        raise Unreadable("the draft is no YAML mapping: mend it in the tab YAML first")
    return fields


def _with(fields: dict[str, Any], name: str, value: Any) -> str:
    if value is None:
        return policy_draft.written(policy_draft.without_field(fields, name))
    return policy_draft.written(policy_draft.with_field(fields, name, value))


def _value(entry: Entry, typed: str) -> object:
    match entry.kind:
        case Kind.COUNT:
            return _count(typed)
        case Kind.DOLLARS:
            return _dollars(typed)
        case Kind.FLAG:
            return typed == "true"
        case Kind.YAML:
            return _yaml(typed)
        case _:
            return typed.strip() or None


def _count(typed: str) -> int | str | None:
    bare = re.sub(r"[ ,_']", "", typed)
    if not bare:
        return None
    return int(bare) if re.fullmatch(r"[0-9]{1,18}", bare) else typed.strip()


def _dollars(typed: str) -> int | float | str | None:
    bare = typed.strip().removeprefix("$").strip()
    if not bare:
        return None
    try:
        amount = Decimal(bare)
    except InvalidOperation:
        return bare
    if not amount.is_finite() or abs(amount) >= 10**15:
        return bare
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def _yaml(typed: str) -> object:
    if not typed.strip():
        return None
    try:
        return read(typed)
    except PolicyInvalid as error:
        raise Unreadable(str(error)) from None


def _text(entry: Entry, fields: dict[str, Any]) -> str:
    if entry.kind is Kind.CALLERS:
        return "true" if entry.name in fields else "false"
    if entry.kind in _LISTS:
        return ""
    value = fields.get(entry.name, _DEFAULTS.get(entry.name))
    if entry.kind is Kind.YAML:
        return policy_draft.as_yaml(value) if isinstance(value, dict) and value else _plain(value)
    if entry.kind in (Kind.COUNT, Kind.DOLLARS) and _is_number(value):
        unsaid = value == 0 and entry.name not in fields
        return "" if unsaid else _number(value)
    return _plain(value)


def _entries(fields: dict[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _entry(kind: Kind, one: object) -> str:
    most = one.get(_MOST_OF[kind]) if isinstance(one, dict) and kind in _MOST_OF else None
    if not isinstance(one, dict) or set(one) != {"window", _MOST_OF.get(kind)}:
        return _plain(one)
    said = _number(most) if _is_number(most) else _plain(most)
    return (
        f"{said} tokens in {one['window']}"
        if kind is Kind.TOKENS
        else f"${said} in {one['window']}"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{Decimal(str(value)):f}"


def _plain(value: object) -> str:
    if value in (None, {}):
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _sorted(errors: Iterable[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """The faults of each field, and those of none."""
    troubles: dict[str, str] = {}
    faults: list[str] = []
    for path, message in errors:
        match = _HEAD.match(path)
        head = match[0] if match else ""
        if head not in FIELDS:
            faults.append(f"{path}: {message}" if path else message)
            continue
        where = path.removeprefix(head).lstrip(".")
        said = f"{where}: {message}" if where else message
        troubles[head] = f"{troubles[head]}; {said}" if head in troubles else said
    return troubles, faults
