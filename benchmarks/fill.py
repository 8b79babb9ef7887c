"""Fills an archive with the calls of a week.

Four hours of it are archived as the archiver does; the other hours are copies that SQL makes.
"""

from __future__ import annotations

import random  # noqa: TID251  (numbers of a load, not secrets)
import sys
import time
from functools import partial
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, SQLModel, func, select

from amaze_proxy.history.archive_tables import AlertRow, CallRow, CallSumRow
from amaze_proxy.history.bundle import History
from amaze_proxy.history.columns import columns
from amaze_proxy.history.rollups import MINUTES_KEPT_S, roll_up
from amaze_proxy.policy.record import AuditRecord, to_json

HOUR_MS = 3_600_000
DAYS_MS = 7 * 24 * HOUR_MS
COPIES = 42
CHUNK_S = DAYS_MS // COPIES // 1000
AGENTS = [f"agent-{number}" for number in range(20)]
TOOLS = [f"server/tool-{number}" for number in range(30)]
MODELS = ["gpt-4.1", "gpt-4.1-mini", "claude-sonnet-4-5", "gemini-2.5-pro"]
REASONS = ["tool-not-allowed", "budget_exceeded", "rate-limit-exceeded", "graph_violation"]
BODY = "the quick brown fox jumps over the lazy dog; " * 12
PAGE = 2_000


def call(number: int, total: int, end_ms: int, dice: random.Random) -> dict[str, Any]:
    """The `number`-th call: ten make a trace, one in ten is refused."""
    trace = number // 10
    agent = AGENTS[(trace + number % 10 // 6) % len(AGENTS)]
    kind = ("llm", "mcp", "llm", "mcp", "a2a")[number % 5]
    denied = dice.random() < 0.1
    record = AuditRecord(
        decision_id=f"{number:032x}",
        ts=end_ms - DAYS_MS + number * DAYS_MS // total,
        agent_id=agent,
        kind=kind,
        trace_id=f"{trace:032x}",
        span_id=f"{number:016x}",
        turn_id=f"turn_{trace}",
        target={"llm": "api.openai.com", "mcp": "server", "a2a": dice.choice(AGENTS)}[kind],
        tool=dice.choice(TOOLS) if kind == "mcp" else "",
        model=dice.choice(MODELS) if kind == "llm" else "",
        status=403 if denied else 200,
        latency_ms=dice.lognormvariate(5, 1),
        tokens_in=dice.randrange(2000) if kind == "llm" else 0,
        tokens_out=dice.randrange(500) if kind == "llm" else 0,
        cost_microusd=dice.randrange(5000) if kind == "llm" else 0,
        denied=denied,
        denial_reason=dice.choice(REASONS) if denied else "",
        input=f'{{"messages": "{BODY} needle-{number}"}}',
        output=BODY,
        policy_version=1,
        writer=f"worker:{agent}",
        seq=number + 1,
    )
    place = {"id": number + 1, "agent_id": agent, "entry_id": f"{record.ts}-0"}
    return {**place, "record": to_json(record), **columns(record)}


async def filled(history: History, total: int) -> int:
    """Fills an archive that has no calls; when the newest are, in whole hours (milliseconds)."""

    def newest(session: Session) -> int:
        return int(session.exec(select(func.max(CallRow.ts))).one() or 0)

    if not await history.database.read(newest):
        started = time.perf_counter()
        await fill(history, total)
        await history.database.write(_analyze)
        print(f"{total:,} calls archived in {time.perf_counter() - started:.0f} s")
    return -(-await history.database.read(newest) // HOUR_MS) * HOUR_MS


def _analyze(session: Session) -> None:
    """What PostgreSQL does by itself soon after so many changes (its autovacuum, which the tests'
    server is without): before that, it guesses, and a page of traces takes seconds."""
    if session.connection().dialect.name == "postgresql":
        session.connection().exec_driver_sql("ANALYZE")


async def fill(history: History, total: int) -> None:
    """The first hours in transactions of `PAGE`, then their copies; this hour has none yet."""
    end_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    dice = random.Random(7)
    count = total // COPIES // 10 * 10  # whole traces
    for start in range(0, count, PAGE):
        numbers = range(start, min(start + PAGE, count))
        rows = [call(number, count * COPIES, end_ms, dice) for number in numbers]

        def work(session: Session, rows: list[dict[str, Any]] = rows) -> None:
            session.connection().execute(insert(CallRow), rows)
            roll_up(session, rows)

        await history.database.write(work)
    for number in range(1, COPIES):
        minutes = number * CHUNK_S >= COPIES * CHUNK_S - MINUTES_KEPT_S
        copied = partial(_copy, number=number, count=count, end_s=end_ms // 1000, minutes=minutes)
        await history.database.write(copied)
        print(f"  {(number + 1) * count:,} calls", file=sys.stderr)
    await history.database.write(partial(_without_early_minutes, end_s=end_ms // 1000))


def _copy(session: Session, *, number: int, count: int, end_s: int, minutes: bool) -> None:
    first, later = number * count, number * CHUNK_S
    lite = session.connection().dialect.name == "sqlite"
    as_hex = "printf('%032x', {})" if lite else "lpad(to_hex({}), 32, '0')"
    changed = {
        "id": f"id + {first}",
        "seq": f"seq + {first}",
        "ts": f"ts + {later * 1000}",
        "trace_id": as_hex.format(f"(id - 1 + {first}) / 10"),
        "decision_id": as_hex.format(f"id - 1 + {first}"),
    }
    _insert(session, "call", CallRow, changed, f"id <= {count}")
    changed = {"call_id": f"call_id + {first}", "ts": f"ts + {later * 1000}"}
    _insert(session, "alert", AlertRow, changed, f"call_id <= {count}")
    grains = "(60, 3600)" if minutes else "(3600)"
    first_hours = f"start_s < {end_s - DAYS_MS // 1000 + CHUNK_S} AND grain_s IN {grains}"
    _insert(session, "call_sum", CallSumRow, {"start_s": f"start_s + {later}"}, first_hours)


def _insert(
    session: Session, table: str, row: type[SQLModel], changed: dict[str, str], where: str
) -> None:
    names = list(row.model_fields)
    values = ", ".join(changed.get(name, name) for name in names)
    statement = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}"
    session.connection().exec_driver_sql(f"{statement} WHERE {where}")


def _without_early_minutes(session: Session, *, end_s: int) -> None:
    oldest = end_s - MINUTES_KEPT_S
    session.connection().exec_driver_sql(
        f"DELETE FROM call_sum WHERE grain_s = 60 AND start_s < {oldest}"
    )
