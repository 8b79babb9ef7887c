"""What is kept of calls beside the calls: sums by minute and hour, and the list of alerts.

Both are written in the transaction that archives the calls, so that they never disagree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import text
from sqlmodel import Session

from amaze_proxy.history.archive_tables import AlertRow, CallRow

MINUTE_S, HOUR_S = 60, 3600
MINUTES_KEPT_S = 2 * 24 * HOUR_S
"""How long the sums of minutes are kept; those of hours stay."""
EVERYBODY = ""
"""The agent id of the sums over all agents."""

_WIDTH = 1.1  # a class of latencies ends at 1.1 times of where it begins
_SMALLEST_MS = 0.01


class Dimension(StrEnum):
    """What a sum is of. `LATENCY` counts allowed calls by class: a refusal is quick, and would
    make the answers look so."""

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

    def add(self, row: CallRow) -> None:
        self.calls += 1
        self.denied += row.denied
        self.tokens_in += row.tokens_in
        self.tokens_out += row.tokens_out
        self.cost_microusd += row.cost_microusd


_Key = tuple[int, str, int, str, str]

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


def roll_up(session: Session, rows: Sequence[CallRow]) -> None:
    """Counts rows that were just added to `session`, each once. Minutes are counted only within
    MINUTES_KEPT_S before the newest row."""
    if not rows:
        return
    session.flush()  # numbers the rows
    # Not later than now: a forged record of the far future must not forget what there is.
    newest = min(max(row.ts for row in rows), time.time_ns() // 1_000_000) // 1000
    oldest = newest - MINUTES_KEPT_S
    sums: dict[_Key, _Sum] = {}
    for row in rows:
        for key in _keys(row, oldest):
            sums.setdefault(key, _Sum()).add(row)
        for reason in reasons(row):
            session.add(
                AlertRow(call_id=row.id or 0, ts=row.ts, agent_id=row.agent_id, reason=reason)
            )
    # Sorted: two transactions that take the same rows in one order cannot wait for each other.
    values = [_values(key, found) for key, found in sorted(sums.items(), key=lambda one: one[0])]
    connection = session.connection()
    if values:  # acts are no calls: a page may have nothing else
        connection.execute(_UPSERT, values)
    for agent_id in sorted({key[1] for key in sums}):
        of = {"grain_s": MINUTE_S, "agent_id": agent_id, "start_s": oldest}
        connection.execute(_FORGET, [{**of, "dimension": str(one)} for one in Dimension])


def reasons(row: CallRow) -> tuple[str, ...]:
    """Why the call is an alert: what it was denied for, or would have been, or was let pass."""
    named = (row.denial_reason, row.would_deny, *row.alert.split(","))
    return tuple(dict.fromkeys(reason for reason in named if reason))


def latency_class(latency_ms: float) -> int:
    """The class of a latency; `latency_of` is its middle, at most 5 % away."""
    return math.floor(math.log(max(latency_ms, _SMALLEST_MS), _WIDTH))


def latency_of(number: int) -> float:
    """The middle of a class, in milliseconds."""
    return float(_WIDTH ** (number + 0.5))


def _keys(row: CallRow, oldest: int) -> Iterator[_Key]:
    for grain in (MINUTE_S, HOUR_S) if row.ts // 1000 >= oldest else (HOUR_S,):
        start = row.ts // 1000 // grain * grain
        for dimension, value in _values_of(row):
            for agent_id in (row.agent_id, EVERYBODY):
                yield grain, agent_id, start, dimension, value


def _values_of(row: CallRow) -> Iterator[tuple[Dimension, str]]:
    for reason in reasons(row):
        yield Dimension.REASON, reason
    if row.kind == "admin":  # an act of administration is no call, but can be an alert
        return
    yield Dimension.ALL, ""
    if row.tool:
        yield Dimension.TOOL, row.tool
    if row.model:
        yield Dimension.MODEL, row.model
    if row.kind == "a2a" and row.target:
        yield Dimension.PEER, row.target
    if not row.denied:
        yield Dimension.LATENCY, str(latency_class(row.latency_ms))


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
