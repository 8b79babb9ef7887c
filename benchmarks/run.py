#!/usr/bin/env python3
"""`make bench`: ours beside plain mitmproxy and direct calls; writes docs/benchmarks.md.

Exit code 1 if a bar is missed. `--quick` is a smoke run: it shows that everything works, and
its figures mean little.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median

import contenders
from cells import CHAT, Cell, Measured, pid_arguments, run_cell, run_load, write_streamed_body
from contenders import FILES_HOST, Contender, Platform
from kinds import kinds
from processes import rss_mb
from report import Verdict, cores, markdown

DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BIG = 100 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class Size:
    """How long to measure."""

    rounds: int
    seconds: float  # of each run
    samples: int  # in the rate window of the seasoned agent
    calls: int  # over which memory has to stay flat

    @property
    def timing(self) -> tuple[str, ...]:
        return ("--duration", str(self.seconds), "--warmup", "50")


FULL = Size(rounds=5, seconds=4, samples=100_000, calls=100_000)
QUICK = Size(rounds=1, seconds=1, samples=2_000, calls=2_000)


@dataclass(frozen=True)
class Ways:
    """The three ways to the upstream, and the platforms behind ours."""

    direct: Contender
    mitmproxy: Contender
    one: Platform
    two: Platform

    def all(self, ours: Contender) -> dict[str, Contender]:
        return {"direct": self.direct, "mitmproxy": self.mitmproxy, "ours": ours}


def p50(one: Measured) -> float:
    return one.p50_ms


def rps(one: Measured) -> float:
    return one.rps


def keepalive(ways: Ways, size: Size) -> tuple[list[Verdict], list[Cell]]:
    """Latency at one connection, throughput at 16, and 64 to look at."""
    ours = ways.one.contender("bench-keepalive")
    one, many, most = (
        run_cell(f"LLM call, keep-alive, {count} conn.", ways.all(ours), size.rounds,
                 *CHAT, "-c", str(count), *size.timing)
        for count in (1, 16, 64)
    )  # fmt: skip
    added = one.over_rounds(lambda r: p50(r["ours"]) - p50(r["direct"]))
    theirs = one.over_rounds(lambda r: p50(r["mitmproxy"]) - p50(r["direct"]))
    ratio = many.over_rounds(lambda r: rps(r["ours"]) / rps(r["mitmproxy"]))
    return [
        Verdict(
            "added latency of a governed LLM call, 1 connection, p50",
            "no more than plain mitmproxy adds",
            f"{added:.2f} ms, mitmproxy {theirs:.2f} ms",
            added <= theirs,
        ),
        Verdict(
            "throughput of a worker, 16 connections",
            "≥ 2.5 × plain mitmproxy",
            f"{ratio:.2f} ×",
            ratio >= 2.5,
        ),
    ], [one, many, most]


def new_connections(ways: Ways, size: Size) -> tuple[list[Verdict], list[Cell]]:
    """A TCP connection, a CONNECT and a TLS handshake for every call."""
    ours = ways.one.contender("bench-new")
    cell = run_cell(
        "LLM call, new TLS connection each, 16 at a time",
        ways.all(ours),
        size.rounds,
        *(*CHAT, "-c", "16", "--no-keepalive", *size.timing),
    )
    ratio = cell.over_rounds(lambda r: rps(r["ours"]) / rps(r["mitmproxy"]))
    bar = "≥ 3 × plain mitmproxy"
    return [Verdict("new TLS connection for each call", bar, f"{ratio:.2f} ×", ratio >= 3)], [cell]


def streaming(ways: Ways, size: Size, directory: Path) -> tuple[list[Verdict], list[Cell]]:
    """How much later than directly the first byte of a stream arrives."""
    ours = ways.one.contender("bench-stream")
    body = write_streamed_body(directory)
    # The body that is told last is what is sent.
    arguments = (*CHAT, "--body-file", str(body), "-c", "1", *size.timing[:2], "--warmup", "5")
    cell = run_cell("streamed LLM call, 1 conn.", ways.all(ours), size.rounds, *arguments)
    later = cell.over_rounds(lambda r: r["ours"].first_byte_ms - r["direct"].first_byte_ms)
    return [
        Verdict("first streamed byte", "≤ 2 ms after the upstream's", f"{later:.2f} ms", later <= 2)
    ], [cell]


def scaling(ways: Ways, size: Size) -> tuple[list[Verdict], list[Cell]]:
    """Two workers beside one, where there are cores for them and for the rest."""
    pair = {
        "1 worker": ways.one.contender("bench-scale"),
        "2 workers": ways.two.contender("bench-scale"),
    }
    arguments = (*CHAT, "-c", "64", *size.timing)
    cell = run_cell("LLM call, keep-alive, 64 conn., workers", pair, size.rounds, *arguments)
    ratio = cell.over_rounds(lambda r: rps(r["2 workers"]) / rps(r["1 worker"]))
    enough = cores() >= 6  # two workers, the store, generator, upstream, and the system
    measured = f"{ratio:.2f} ×" + ("" if enough else f" (only {cores()} cores for everything)")
    met = ratio >= 1.8 if enough else None
    return [Verdict("2 workers beside 1", "≥ 1.8 ×", measured, met)], [cell]


def window_and_memory(ways: Ways, size: Size) -> tuple[list[Verdict], list[Cell]]:
    """Season one agent's windows with calls, watch the memory meanwhile, then compare."""
    seasoned, fresh = ways.one.contender("bench-seasoned"), ways.one.contender("bench-fresh")
    pids = pid_arguments(ways.one.workers)
    run_load(seasoned, *CHAT, "-c", "16", "-n", "2000")  # caches and pools are full from here on
    calls = max(size.samples, size.calls)
    print(f"{calls:,} calls", flush=True)
    memory = run_load(seasoned, *CHAT, "-c", "16", "-n", str(calls), *pids).processes
    growth = max(one["rss_mb_after"] / one["rss_mb_before"] - 1 for one in memory.values())
    cell = run_cell(
        f"LLM call, keep-alive, 16 conn., {size.samples:,} samples in the window",
        {"no samples": fresh, "samples": seasoned},
        size.rounds,
        *(*CHAT, "-c", "16", *size.timing),
    )
    ratio = cell.over_rounds(lambda r: rps(r["samples"]) / rps(r["no samples"]))
    return [
        Verdict(
            f"rate window with {size.samples:,} samples",
            "the same as with none (± 10 %)",
            f"{ratio:.2f} × the throughput",
            ratio >= 0.9,
        ),
        Verdict(
            f"memory of a worker over {calls:,} calls", "≤ +10 %", f"{growth:+.1%}", growth <= 0.1
        ),
    ], [cell]


def idle_memory(ways: Ways) -> Verdict:
    """Before any load."""
    most = max(rss_mb(pid) for one in (ways.one, ways.two) for pid in one.workers)
    return Verdict("memory of an idle worker", "≤ 90 MB", f"{most:.0f} MB", most <= 90)


def big_body(ways: Ways, size: Size) -> Verdict:
    """A large answer passes through, it is not gathered."""
    ours = ways.one.contender("bench-big")
    pids = pid_arguments(ways.one.workers)
    arguments = ("--url", f"https://{FILES_HOST}/size/{BIG}", "-c", "1", "-n", "1", *pids)
    grown = []
    for _ in range(size.rounds):
        processes = run_load(ours, *arguments).processes
        grown.append(max(p["rss_mb_peak"] - p["rss_mb_before"] for p in processes.values()))
    more = median(grown)
    return Verdict("a 100 MB body", "< 10 MB more memory", f"{more:+.1f} MB", more < 10)


def measure(size: Size) -> tuple[list[Verdict], list[Cell]]:
    """Start everything, run every cell, stop everything."""
    with ExitStack() as stack:
        # A short path: Unix sockets allow about a hundred characters.
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amz-")))
        upstream = stack.enter_context(contenders.upstream(directory))
        ways = Ways(
            contenders.direct(upstream),
            stack.enter_context(contenders.mitmproxy(directory, upstream)),
            stack.enter_context(contenders.platform(directory, upstream, 1)),
            stack.enter_context(contenders.platform(directory, upstream, 2)),
        )
        idle = idle_memory(ways)
        ways.one.register(upstream)
        parts = [
            keepalive(ways, size),
            kinds(ways.one, size.rounds, size.timing),
            new_connections(ways, size),
            window_and_memory(ways, size),
            scaling(ways, size),
            streaming(ways, size, directory),
        ]
        verdicts = [verdict for found, _ in parts for verdict in found]
        return [*verdicts, idle, big_body(ways, size)], [cell for _, own in parts for cell in own]


def measure_kinds(size: Size) -> tuple[list[Verdict], list[Cell]]:
    """The kinds of calls beside each other alone."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amz-")))
        upstream = stack.enter_context(contenders.upstream(directory))
        one = stack.enter_context(contenders.platform(directory, upstream, 1))
        one.register(upstream)
        return kinds(one, size.rounds, size.timing)


def method(size: Size, arguments: Sequence[str]) -> str:
    how = "A smoke run: its figures mean little. " if "--quick" in arguments else ""
    return (
        f"{how}Contenders interleaved, {size.rounds} rounds of {size.seconds:g} s a run; HTTPS, "
        "answers of 1 KB, policy with budgets and two rate windows, audit on, embedded store."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--calls", type=int, help="calls over which memory has to stay flat")
    parser.add_argument("--rounds", type=int, help="rounds of each cell")
    parser.add_argument("--seconds", type=float, help="of each run")
    parser.add_argument("--samples", type=int, help="in the rate window of the seasoned agent")
    parser.add_argument(
        "--kinds", action="store_true", help="MCP and A2A calls beside LLM calls, nothing else"
    )
    parser.add_argument("--output", type=Path, default=DOCUMENT, help="default: docs/benchmarks.md")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else FULL
    given = {f.name: getattr(arguments, f.name) for f in fields(Size)}
    size = replace(size, **{name: value for name, value in given.items() if value})
    verdicts, cells = measure_kinds(size) if arguments.kinds else measure(size)
    text = markdown(verdicts, cells, method(size, sys.argv))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text)
    print(text)
    sys.exit(any(verdict.met is False for verdict in verdicts))


if __name__ == "__main__":
    main()
