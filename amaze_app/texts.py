"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(ms: int) -> str:
    """`2026-11-22 16:38:37`, in UTC; "" for 0."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ms else ""


def cost(microusd: int) -> str:
    """`$0.0042`: as many digits as it takes to be more than nothing; "" for 0."""
    if not microusd:
        return ""
    dollars = microusd / 1_000_000
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.6f}".rstrip("0")


def latency(ms: float) -> str:
    """`3.2 ms`, `48 ms`, `1.7 s`."""
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def tokens(sent: int, received: int, estimated: bool) -> str:
    """`1,200 / 80`, with `~` where they are an estimate; "" when there are none."""
    if not sent and not received:
        return ""
    return f"{'~' if estimated else ''}{sent:,} / {received:,}"
