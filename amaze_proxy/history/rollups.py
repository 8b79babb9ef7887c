"""What is kept of calls beside the calls: sums by minute and hour, and the list of alerts.

Both are written in the transaction that archives the calls, so that they never disagree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, text
from sqlmodel import Session

from amaze_proxy.history.archive_tables import AlertRow

MINUTE_S, HOUR_S = 60, 3600
MINUTES_KEPT_S = 2 * 24 * HOUR_S
"""How long the sums of minutes are kept; those of hours stay."""
EVERYBODY = ""
"""The agent id of the sums over all agents."""

_WIDTH = 1.1  # a class of latencies ends at 1.1 times of where it begins
_SMALLEST_MS = 0.01


class Dimension(StrEnum):
    """What a sum is of. `LATENCY` counts allowed calls by class: a refusal is quick, and would
    make the answers look so. A call whose latency nobody knows (0: it was abandoned) is in none."""

    ALL = "all"
    TOOL = "tool"
    MODEL = "model"
    PEER = "peer"
    REASON = "reason"
    LATENCY = "latency"


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    denied: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_microusd: int = 0

    def count(self, row: Row) -> None:
        self.calls += 1
        self.denied += row["denied"]
        self.tokens_in += row["tokens_in"]
        self.tokens_out += row["tokens_out"]
        self.cost_microusd += row["cost_microusd"]

    def add(self, other: _Sum) -> None:
        self.calls += other.calls
        self.denied += other.denied
        self.tokens_in += other.tokens_in
        self.tokens_out += other.tokens_out
        self.cost_microusd += other.cost_microusd


Row = Mapping[str, Any]
"""A row of `call` by the names of its columns."""
_Minute = tuple[str, int, Dimension, str]  # of an agent, and where it begins
_Key = tuple[int, str, int, Dimension, str]  # the primary key

_UPSERT = text(
    "INSERT INTO call_sum (grain_s, agent_id, start_s, dimension, value, calls, denied,"
    " tokens_in, tokens_out, cost_microusd) VALUES (:grain_s, :agent_id, :start_s, :dimension,"
    " :value, :calls, :denied, :tokens_in, :tokens_out, :cost_microusd)"
    " ON CONFLICT (grain_s, agent_id, start_s, dimension, value) DO UPDATE SET"
    " calls = call_sum.calls + excluded.calls, denied = call_sum.denied + excluded.denied,"
    " tokens_in = call_sum.tokens_in + excluded.tokens_in,"
    " tokens_out = call_sum.tokens_out + excluded.tokens_out,"
    " cost_microusd = call_sum.cost_microusd + excluded.cost_microusd"
)

_FORGET = text(
    "DELETE FROM call_sum WHERE grain_s = :grain_s AND agent_id = :agent_id"
    " AND dimension = :dimension AND start_s < :start_s"
)


def roll_up(session: Session, rows: Sequence[Row]) -> None:
    """Counts rows that the transaction has just added, each once. Minutes are counted only within
    MINUTES_KEPT_S before the newest row."""
    # Not later than now: a forged record of the far future must not forget what there is.
    newest = min(max(row["ts"] for row in rows), time.time_ns() // 1_000_000) // 1000
    oldest = newest - MINUTES_KEPT_S
    sums = _summed(_by_minute(rows), oldest)
    connection = session.connection()
    if alerts := [alert for row in rows for alert in _alerts(row)]:
        connection.execute(insert(AlertRow), alerts)
    if sums:  # acts are no calls: a page may have nothing else
        connection.execute(_UPSERT, [_values(key, found) for key, found in sums.items()])
    for agent_id in sorted({key[1] for key in sums}):
        of = {"grain_s": MINUTE_S, "agent_id": agent_id, "start_s": oldest}
        connection.execute(_FORGET, [{**of, "dimension": str(one)} for one in Dimension])


def reasons(denial_reason: str, would_deny: str, alert: str) -> tuple[str, ...]:
    """Why a call is an alert: what it was denied for, or would have been, or was let pass."""
    if not (denial_reason or would_deny or alert):
        return ()
    named = (denial_reason, would_deny, *alert.split(","))
    return tuple(dict.fromkeys(reason for reason in named if reason))


def latency_class(latency_ms: float) -> int:
    """The class of a latency; `latency_of` is its middle, at most 5 % away."""
    return math.floor(math.log(max(latency_ms, _SMALLEST_MS), _WIDTH))


def latency_of(number: int) -> float:
    """The middle of a class, in milliseconds."""
    return float(_WIDTH ** (number + 0.5))


def _by_minute(rows: Sequence[Row]) -> dict[_Minute, _Sum]:
    found: dict[_Minute, _Sum] = {}
    for row in rows:
        start = row["ts"] // 1000 // MINUTE_S * MINUTE_S
        for dimension, value in _values_of(row):
            key = (row["agent_id"], start, dimension, value)
            if key not in found:
                found[key] = _Sum()
            found[key].count(row)
    return found


def _summed(minutes: dict[_Minute, _Sum], oldest: int) -> dict[_Key, _Sum]:
    """The same by minute and hour, for the agent and for everybody."""
    found: dict[_Key, _Sum] = {}
    for (agent_id, start, dimension, value), part in minutes.items():
        for grain in (MINUTE_S, HOUR_S) if start >= oldest else (HOUR_S,):
            for whose in (agent_id, EVERYBODY):
                key = (grain, whose, start // grain * grain, dimension, value)
                found.setdefault(key, _Sum()).add(part)
    return found


def _alerts(row: Row) -> Iterator[dict[str, Any]]:
    for reason in _reasons(row):
        yield {
            "call_id": row["id"],
            "ts": row["ts"],
            "agent_id": row["agent_id"],
            "reason": reason,
        }


def _reasons(row: Row) -> tuple[str, ...]:
    return reasons(row["denial_reason"], row["would_deny"], row["alert"])


def _values_of(row: Row) -> Iterator[tuple[Dimension, str]]:
    for reason in _reasons(row):
        yield Dimension.REASON, reason
    if row["kind"] == "admin":  # an act of administration is no call, but can be an alert
        return
    yield Dimension.ALL, ""
    if row["tool"]:
        yield Dimension.TOOL, row["tool"]
    if row["model"]:
        yield Dimension.MODEL, row["model"]
    if row["kind"] == "a2a" and row["target"]:
        yield Dimension.PEER, row["target"]
    if not row["denied"] and row["latency_ms"] > 0:
        yield Dimension.LATENCY, str(latency_class(row["latency_ms"]))


def _values(key: _Key, found: _Sum) -> dict[str, object]:
    grain, agent_id, start, dimension, value = key
    return {
        "grain_s": grain,
        "agent_id": agent_id,
        "start_s": start,
        "dimension": str(dimension),
        "value": value,
        "calls": found.calls,
        "denied": found.denied,
        "tokens_in": found.tokens_in,
        "tokens_out": found.tokens_out,
        "cost_microusd": found.cost_microusd,
    }
