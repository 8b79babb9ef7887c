"""Times what the API asks of an archive with 1,000,000 calls (bar: 200 ms for each query).

    PYTHONPATH=. python benchmarks/queries.py [--calls 1000000] [--database URL | --postgres]

The calls are those of a week (`fill`). A database that has calls is asked again without being
filled. A query's time is the middle one of its runs.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from figures import postgres, write
from fill import AGENTS, DAYS_MS, MODELS, REASONS, TOOLS, filled

from amaze_proxy.history.bundle import History, open_history
from amaze_proxy.history.queries import EVERYTHING, Filter, Viewer
from amaze_proxy.history.statistics import Period

BAR_MS = 200.0


Query = Callable[[], Awaitable[object]]


def asked(history: History, end_ms: int) -> dict[str, Query]:
    """Every query of the API, with what is hardest for it."""
    two = Viewer(frozenset(AGENTS[:2]))
    one = Viewer(frozenset(AGENTS[:1]))
    now = end_ms // 1000
    filters = {
        "newest": Filter(),
        "of an agent": Filter(agent_id=AGENTS[3]),
        "of an hour": Filter(since_ms=end_ms - DAYS_MS // 2, until_ms=end_ms - DAYS_MS // 2 + 3600),
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


@dataclass(frozen=True)
class Times:
    """Milliseconds of the runs of a query; `cpu` what the middle one cost this process."""

    query: str
    middle: float
    slowest: float
    cpu: float

    @property
    def row(self) -> tuple[str, ...]:
        times = (f"{one:.1f} ms" for one in (self.middle, self.slowest, self.cpu))
        return (self.query, *times, "pass" if self.middle <= BAR_MS else "**fail**")


async def measure(history: History, end_ms: int) -> list[Times]:
    """7 runs of each query; prints them."""
    found = []
    print(f"{'query':<45} {'median':>11} {'slowest':>11} {'CPU':>11}")
    for name, query in asked(history, end_ms).items():
        times, worked = [], []
        for _ in range(7):
            started, busy = time.perf_counter(), time.process_time()
            answer = await query()
            worked.append((time.process_time() - busy) * 1000)
            took = answer if isinstance(answer, float) else time.perf_counter() - started
            times.append(took * 1000)
        one = Times(name, median(times), max(times), median(worked))
        found.append(one)
        mark = "" if one.middle <= BAR_MS else "  TOO SLOW"
        print(f"{name:<45} {one.middle:8.1f} ms {one.slowest:8.1f} ms {one.cpu:8.1f} ms{mark}")
    return found


async def run(url: str, total: int) -> bool:
    """Fills the database if it has no calls, measures, writes the report; whether all are in
    time."""
    history = await open_history(url)
    try:
        found = await measure(history, await filled(history, total))
    finally:
        await history.close()
    name = "PostgreSQL" if url.startswith("postgres") else f"SQLite {sqlite3.sqlite_version}"
    write(
        f"Queries of {total:,} calls, {name}",
        f"`PYTHONPATH=. python benchmarks/queries.py`: 7 runs of each query; bar {BAR_MS:g} ms. "
        "CPU is that of the asking process.",
        [("query", "median", "slowest", "CPU", "verdict"), *(one.row for one in found)],
    )
    return all(one.middle <= BAR_MS for one in found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--database", help="a URL; else a new SQLite file")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL of this run alone")
    given = parser.parse_args()
    with ExitStack() as stack:
        if given.postgres:
            url = stack.enter_context(postgres())
        else:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            url = given.database or f"sqlite:///{directory}/calls.db"
        return 0 if asyncio.run(run(url, given.calls)) else 1


if __name__ == "__main__":
    sys.exit(main())
