"""Numbers as people read them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def short(number: float) -> str:
    """`950`, `12.3k`, `4.5M`: for cards and axes."""
    for unit, letter in _UNITS:
        if abs(number) >= unit:
            return f"{number / unit:.1f}".removesuffix(".0") + letter
    return f"{number:,.1f}".removesuffix(".0")


def cost(microusd: int) -> str:
    """`$12.50`, `$0.50`, `$0.0420`, `$0.000350`: digits enough for what is small; `$0` for 0."""
    if not microusd:
        return "$0"
    whole_cents = microusd >= 1_000_000 or microusd % 10_000 == 0
    digits = 2 if whole_cents else 4 if microusd >= 1_000 else 6
    return f"${microusd / 1_000_000:,.{digits}f}"


def duration(ms: float | None) -> str:
    """`0 ms`, `3.2 ms`, `48 ms`, `1.7 s`, `2 min 5 s`; `–` for None."""
    if ms is None:
        return "–"
    if ms >= 60_000:
        minutes, seconds = divmod(round(ms / 1000), 60)
        return f"{minutes} min {seconds} s"
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 or not ms else f"{ms:.1f} ms"


def size(octets: int) -> str:
    """`950 B`, `12.3kB`, `4.5MB`."""
    return f"{short(octets)}B" if octets >= 1000 else f"{octets} B"


def tokens(sent: int, received: int, estimated: bool = False) -> str:
    """`1,200 / 80`, with `~` where they are an estimate; `–` when there are none."""
    if not sent and not received:
        return "–"
    return f"{'~' if estimated else ''}{sent:,} / {received:,}"


def share(part: float, whole: float) -> str:
    """`12.5 %`; `–` of nothing."""
    return f"{100 * part / whole:.1f}".removesuffix(".0") + " %" if whole else "–"


def some(names: Sequence[str], most: int = 2) -> str:
    """`a, b`, `a, b and 3 more`; `–` for none."""
    more = len(names) - most
    return (", ".join(names[:most]) or "–") + (f" and {more} more" if more > 0 else "")
