"""How fast the archiver moves calls from a real Valkey into SQL (bar: 3,000 records a second).

    PYTHONPATH=. python benchmarks/archive.py [--calls 20000] [--rounds 3] [--postgres]

First all calls are in the streams before the archiver begins; then they come at a rate, and the
lag is how long one waits between its stream and the archive. The archive is a new one in each
round: a SQLite file, or a database on a PostgreSQL of this run alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from figures import postgres, write

from amaze_proxy.control.archiver import Archiver
from amaze_proxy.history.archive import entry_order
from amaze_proxy.history.bundle import open_history
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal_and_store
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.embedded import EmbeddedValkey
from amaze_proxy.store.store import Store, open_store

AGENTS = [f"agent-{number}" for number in range(4)]
BODY = '{"messages": [{"role": "user", "content": "' + "the quick brown fox; " * 40 + '"}]}'
PAGE = 200
LAG_S = 5
BAR = 3_000


class Streams:
    """Writes calls as two workers would, each a chain for each agent."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads = {(w, a): (0, GENESIS) for a in AGENTS for w in ("one", "two")}
        self._number = 0

    async def add(self, count: int) -> dict[str, str]:
        """The id of each agent's last entry."""
        pipe = self._store.client.pipeline(transaction=False)
        places = list(self._heads)
        named = []
        for _ in range(count):
            self._number += 1
            writer, agent_id = place = places[self._number % len(places)]
            seq, before = self._heads[place]
            sealed, text = seal_and_store(
                call(self._number, agent_id), f"{writer}:{agent_id}", seq + 1, before
            )
            self._heads[place] = (seq + 1, sealed.hash)
            pipe.xadd(f"audit:{{{agent_id}}}", {"r": text})
            named.append(agent_id)
        found = await pipe.execute()
        return {agent_id: one.decode() for agent_id, one in zip(named, found, strict=True)}


def call(number: int, agent_id: str) -> AuditRecord:
    """One in ten is refused; half of the others are tool calls."""
    record = AuditRecord(
        decision_id=f"{number:032x}",
        ts=time.time_ns() // 1_000_000,
        agent_id=agent_id,
        kind="llm",
        trace_id=f"{number // 10:032x}",
        span_id=f"{number:016x}",
        turn_id=f"turn_{number // 10}",
        target="api.openai.com",
        provider="openai",
        model="gpt-4.1-mini",
        status=200,
        latency_ms=float(number % 900),
        tokens_in=200,
        tokens_out=100,
        cost_microusd=400,
        input=BODY,
        output=BODY,
        policy_version=1,
    )
    if number % 10 == 0:
        return replace(record, status=403, denied=True, denial_reason="budget_exceeded")
    if number % 2:
        return replace(record, kind="mcp", target="server", model="", tool=f"server/t{number % 30}")
    return record


@dataclass(frozen=True)
class Round:
    """Records a second, microseconds of this process for each, seconds of lag at the rate."""

    speed: float
    cpu_us: float
    lag_middle: float
    lag_most: float


async def run(url: str, directory: Path, calls: int, rate: int) -> Round:
    """One round, on an archive that has nothing yet; prints it."""
    valkey = EmbeddedValkey(directory / "valkey")
    valkey.start()
    history = await open_history(url)
    store = await open_store(valkey.url, timeout=10)
    try:
        for agent_id in AGENTS:
            await store.agents.create(Agent(agent_id))
        streams = Streams(store)
        archiver = Archiver(history, store, lambda: time.time_ns() // 1_000_000, 1.0)
        for start in range(0, calls, PAGE):
            await streams.add(min(PAGE, calls - start))
        speed, cpu_us = await at_full_speed(archiver, calls)
        lags = await lag(archiver, streams, rate)
        print(f"at {rate:,} records/s: lag p50 {lags[len(lags) // 2]:.3f} s, most {lags[-1]:.3f} s")
        assert await history.archive.untold() == [], "a chain is broken"
        return Round(speed, cpu_us, lags[len(lags) // 2], lags[-1])
    finally:
        await history.close()
        await store.close()
        valkey.stop()


async def at_full_speed(archiver: Archiver, calls: int) -> tuple[float, float]:
    """Records a second, and the microseconds that this process takes for one."""
    moved, started, worked = 0, time.perf_counter(), time.process_time()
    while moved < calls:
        moved += await archiver.step()
    took, busy = time.perf_counter() - started, time.process_time() - worked
    print(f"{moved:,} records: {moved / took:,.0f} records/s ({busy / moved * 1e6:.0f} us of CPU)")
    return moved / took, busy / moved * 1e6


async def lag(archiver: Archiver, streams: Streams, rate: int) -> list[float]:
    """Seconds from stream to archive of some calls, sorted."""
    waiting: dict[str, deque[tuple[str, float]]] = {agent_id: deque() for agent_id in AGENTS}
    feeding = asyncio.create_task(_feed(streams, rate, waiting))
    lags: list[float] = []
    while not feeding.done() or any(waiting.values()):
        await archiver.step()
        now = time.perf_counter()
        for agent_id, place in (archiver._places or {}).items():
            queue = waiting.get(agent_id, deque())
            while queue and entry_order(queue[0][0]) <= entry_order(place):
                lags.append(now - queue.popleft()[1])
    await feeding
    return sorted(lags)


async def _feed(streams: Streams, rate: int, waiting: dict[str, deque[tuple[str, float]]]) -> None:
    started, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < LAG_S:
        due = int(passed * rate) - sent
        if due:
            sent += due
            now = time.perf_counter()
            for agent_id, entry in (await streams.add(due)).items():
                waiting[agent_id].append((entry, now))
        await asyncio.sleep(0.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", action="store_true", help="instead of SQLite")
    given = parser.parse_args()
    rounds = [one_round(given.calls, given.rate, given.postgres) for _ in range(given.rounds)]
    speed = median(one.speed for one in rounds)
    name = "PostgreSQL" if given.postgres else "SQLite"
    write(
        f"The archiver, {name}",
        f"`PYTHONPATH=. python benchmarks/archive.py`: {given.calls:,} records that wait in their "
        f"streams, then {given.rate:,} records/s and their lag; medians of {given.rounds} rounds; "
        f"bar {BAR:,} records/s.",
        [
            ("records/s", "fastest round", "CPU for a record", "lag p50", "most", "verdict"),
            (
                f"{speed:,.0f}",
                f"{max(one.speed for one in rounds):,.0f}",
                f"{median(one.cpu_us for one in rounds):.0f} us",
                f"{median(one.lag_middle for one in rounds):.3f} s",
                f"{median(one.lag_most for one in rounds):.3f} s",
                "pass" if speed >= BAR else "**fail**",
            ),
        ],
    )
    return 0 if speed >= BAR else 1


def one_round(calls: int, rate: int, on_postgres: bool) -> Round:
    """With servers of its own."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        lite = f"sqlite:///{directory}/amaze.db"
        url = stack.enter_context(postgres()) if on_postgres else lite
        return asyncio.run(run(url, Path(directory), calls, rate))


if __name__ == "__main__":
    sys.exit(main())
