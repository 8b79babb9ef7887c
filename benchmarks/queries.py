"""Fills an archive with calls and times what the API asks of it (bar: 200 ms for each query).

    python benchmarks/queries.py [--calls 1000000] [--database FILE]

The calls are those of a week: four hours of it are archived as the archiver does, the other hours
are copies that SQL makes. An existing FILE is asked again without being filled.
"""

from __future__ import annotations

import argparse
import asyncio
import random  # noqa: TID251  (numbers of a load, not secrets)
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from amaze_proxy.history.archive_tables import AlertRow, CallRow, CallSumRow
from amaze_proxy.history.bundle import History, open_history
from amaze_proxy.history.columns import columns
from amaze_proxy.history.queries import EVERYTHING, Filter, Viewer
from amaze_proxy.history.rollups import MINUTES_KEPT_S, roll_up
from amaze_proxy.history.statistics import Period
from amaze_proxy.policy.record import AuditRecord, to_json

BAR_MS = 200.0
DAYS_MS = 7 * 86_400_000
COPIES = 42
CHUNK_S = DAYS_MS // COPIES // 1000
END_MS = 1_900_000_200_000 // 14_400_000 * 14_400_000
AGENTS = [f"agent-{number}" for number in range(20)]
TOOLS = [f"server/tool-{number}" for number in range(30)]
MODELS = ["gpt-4.1", "gpt-4.1-mini", "claude-sonnet-4-5", "gemini-2.5-pro"]
REASONS = ["tool-not-allowed", "budget_exceeded", "rate-limit-exceeded", "graph_violation"]
BODY = "the quick brown fox jumps over the lazy dog; " * 12
PAGE = 2_000


def call(number: int, total: int, dice: random.Random) -> dict[str, Any]:
    """The `number`-th call: ten make a trace, one in ten is refused."""
    trace = number // 10
    agent = AGENTS[(trace + number % 10 // 6) % len(AGENTS)]
    kind = ("llm", "mcp", "llm", "mcp", "a2a")[number % 5]
    denied = dice.random() < 0.1
    record = AuditRecord(
        decision_id=f"{number:032x}",
        ts=END_MS - DAYS_MS + number * DAYS_MS // total,
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


async def fill(history: History, total: int) -> None:
    """The first hours in transactions of `PAGE`, then their copies."""
    dice = random.Random(7)
    count = total // COPIES // 10 * 10  # whole traces
    for start in range(0, count, PAGE):
        numbers = range(start, min(start + PAGE, count))
        rows = [call(number, count * COPIES, dice) for number in numbers]

        def work(session: Session, rows: list[dict[str, Any]] = rows) -> None:
            session.connection().execute(insert(CallRow), rows)
            roll_up(session, rows)

        await history.database.write(work)
    for number in range(1, COPIES):
        minutes = number * CHUNK_S >= COPIES * CHUNK_S - MINUTES_KEPT_S
        await history.database.write(lambda s, n=number, m=minutes: _copy(s, n, count, minutes=m))
        print(f"  {(number + 1) * count:,} calls", file=sys.stderr)
    await history.database.write(_without_early_minutes)


def _copy(session: Session, number: int, count: int, *, minutes: bool) -> None:
    first, later = number * count, number * CHUNK_S
    changed = {
        "id": f"id + {first}",
        "seq": f"seq + {first}",
        "ts": f"ts + {later * 1000}",
        "trace_id": f"printf('%032x', (id - 1 + {first}) / 10)",
        "decision_id": f"printf('%032x', id - 1 + {first})",
    }
    _insert(session, "call", CallRow, changed, f"id <= {count}")
    changed = {"call_id": f"call_id + {first}", "ts": f"ts + {later * 1000}"}
    _insert(session, "alert", AlertRow, changed, f"call_id <= {count}")
    grains = "(60, 3600)" if minutes else "(3600)"
    first_hours = f"start_s < {END_MS // 1000 - DAYS_MS // 1000 + CHUNK_S} AND grain_s IN {grains}"
    _insert(session, "call_sum", CallSumRow, {"start_s": f"start_s + {later}"}, first_hours)


def _insert(
    session: Session, table: str, row: type[SQLModel], changed: dict[str, str], where: str
) -> None:
    names = list(row.model_fields)
    values = ", ".join(changed.get(name, name) for name in names)
    statement = f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table}"
    session.connection().exec_driver_sql(f"{statement} WHERE {where}")


def _without_early_minutes(session: Session) -> None:
    oldest = END_MS // 1000 - MINUTES_KEPT_S
    session.connection().exec_driver_sql(
        f"DELETE FROM call_sum WHERE grain_s = 60 AND start_s < {oldest}"
    )


Query = Callable[[], Awaitable[object]]


def asked(history: History) -> dict[str, Query]:
    """Every query of the API, with what is hardest for it."""
    two = Viewer(frozenset(AGENTS[:2]))
    one = Viewer(frozenset(AGENTS[:1]))
    now = END_MS // 1000
    filters = {
        "newest": Filter(),
        "of an agent": Filter(agent_id=AGENTS[3]),
        "of an hour": Filter(since_ms=END_MS - DAYS_MS // 2, until_ms=END_MS - DAYS_MS // 2 + 3600),
        "denied": Filter(verdict="denied"),
        "with a reason": Filter(reason=REASONS[0]),
        "with a tool": Filter(tool=TOOLS[5]),
        "with a model": Filter(model=MODELS[0]),
        "a tool and an agent": Filter(tool=TOOLS[5], agent_id=AGENTS[3]),
        "a reason and an agent": Filter(reason=REASONS[0], agent_id=AGENTS[3]),
        "of a kind": Filter(kind="a2a"),
        "what no call has": Filter(kind="http"),
        "a status that none has": Filter(status=502, model=MODELS[0]),
        "with a text": Filter(text="lazy DOG"),
        "with a text that none has": Filter(text="no such words"),
    }
    found: dict[str, Query] = {}
    for name, filter_ in filters.items():
        found[f"traces, {name}"] = lambda f=filter_: history.traces.page(EVERYTHING, f, None, 50)
    found["traces, of two agents"] = lambda: history.traces.page(two, Filter(), None, 50)
    found["traces, page 2"] = lambda: _second(history, Filter())
    found["traces, page 2, with a tool"] = lambda: _second(history, Filter(tool=TOOLS[5]))
    found["traces, page 2, of two agents"] = lambda: _second(history, Filter(), two)
    found["a trace"] = lambda: history.traces.calls(EVERYTHING, f"{7:032x}", 1000, 1 << 23)
    for name, viewer in (("everybody", EVERYTHING), ("an agent", one), ("two agents", two)):
        for hours, bucket in ((1, 60), (24, 3600), (168, 3 * 3600), (6, 60)):
            period = Period(now - hours * 3600, now, bucket)
            found[f"stats of {name}, {hours} h in {period.bucket_s} s"] = (
                lambda v=viewer, p=period: history.statistics.of(v, p)
            )
        for reason in ("", REASONS[0]):
            found[f"alerts of {name}, {reason or 'any'}"] = lambda v=viewer, r=reason: (
                history.alerts.page(v, Filter(reason=r), None, 50)
            )
    week = Period(now - 168 * 3600, now, 3600)
    found["alerts by reason"] = lambda: history.statistics.reasons(EVERYTHING, week)
    return found


async def _second(history: History, filter_: Filter, viewer: Viewer = EVERYTHING) -> object:
    first = await history.traces.page(viewer, filter_, None, 50)
    started = time.perf_counter()
    await history.traces.page(viewer, filter_, first.following, 50)
    return time.perf_counter() - started


async def measure(history: History) -> bool:
    """Prints the slowest and the middle of 7 runs of each query; whether all are in time."""
    good = True
    for name, query in asked(history).items():
        times = []
        for _ in range(7):
            started = time.perf_counter()
            answer = await query()
            took = answer if isinstance(answer, float) else time.perf_counter() - started
            times.append(took * 1000)
        in_time = max(times) <= BAR_MS
        good = good and in_time
        mark = "" if in_time else "  TOO SLOW"
        print(f"{name:<45} {sorted(times)[3]:8.1f} ms {max(times):8.1f} ms{mark}")
    return good


async def run(path: Path, total: int) -> bool:
    """Fills the file if it is not there, and measures."""
    new = not path.exists()
    history = await open_history(f"sqlite:///{path}")
    try:
        if new:
            started = time.perf_counter()
            await fill(history, total)
            print(f"{total:,} calls archived in {time.perf_counter() - started:.0f} s")
        print(f"SQLite {sqlite3.sqlite_version}, {path.stat().st_size / 1e6:,.0f} MB")
        print(f"{'query':<45} {'median':>11} {'slowest':>11}")
        return await measure(history)
    finally:
        await history.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--database", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = given.database or Path(directory) / "amaze.db"
        return 0 if asyncio.run(run(path, given.calls)) else 1


if __name__ == "__main__":
    sys.exit(main())
