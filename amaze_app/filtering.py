"""Filters of lists: what the URL says, and the links that change one thing of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from amaze_app import routes

_MOMENT = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class Pill:
    """A link that chooses one value of a filter."""

    text: str
    href: str
    chosen: bool


@dataclass(frozen=True)
class TimeRange:
    """Milliseconds since the epoch, `since_ms` within, `until_ms` not; 0: open."""

    since_ms: int = 0
    until_ms: int = 0


def pills(
    path: str, query: Mapping[str, str], name: str, values: Iterable[tuple[str, str]]
) -> list[Pill]:
    """A link to `path` for each (value, text) of the filter `name`; the others stay."""
    here = query.get(name, "")
    return [
        Pill(text, routes.with_query(path, **{**query, name: value}), value == here)
        for value, text in values
    ]


def periods(path: str, query: Mapping[str, str], names: Iterable[str]) -> list[Pill]:
    """Links to the periods of these names that end now, and to all time; none of them is chosen
    where the query has moments."""
    free = {name: value for name, value in query.items() if name not in ("since", "until")}
    links = pills(path, free, "period", [("", "all time"), *((one, one) for one in names)])
    return [Pill(one.text, one.href, one.chosen and _ended(query)) for one in links]


def time_range(query: Mapping[str, str], lengths: Mapping[str, int], now_ms: int) -> TimeRange:
    """The `period` of the query that ends now, as long as `lengths` says; without one, its `since`
    and `until`. What is no number is open."""
    length = lengths.get(query.get("period", ""), 0)
    if length:
        return TimeRange(now_ms - length)
    return TimeRange(moment(query.get("since", "")), moment(query.get("until", "")))


def moment(text: str) -> int:
    """Milliseconds; 0 for what is no number."""
    return int(text) if _MOMENT.fullmatch(text) else 0


def _ended(query: Mapping[str, str]) -> bool:
    return not (query.get("since") or query.get("until"))
