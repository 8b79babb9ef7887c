"""The report: what was measured beside what design asks for, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cells import Cell


@dataclass(frozen=True)
class Verdict:
    """One bar. `met` None: this machine cannot tell, `measured` says why."""

    what: str
    bar: str
    measured: str
    met: bool | None

    @property
    def word(self) -> str:
        return {True: "pass", False: "**fail**", None: "not judged"}[self.met]


def markdown(verdicts: Sequence[Verdict], cells: Sequence[Cell], method: str) -> str:
    """The whole document."""
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`. Absolute figures belong to the machine of that run; the bars",
            "are ratios within a round, or differences to a direct call of the same round.",
            "A governed call of any kind takes two round trips to the store, one before it is",
            "forwarded and one after: `tests/pipeline/test_round_trips.py` counts them.",
            "",
            f"Machine: {machine()}. {method}",
            "",
            "## Bars",
            "",
            "| what | bar | measured | verdict |",
            "| --- | --- | --- | --- |",
            *(f"| {one.what} | {one.bar} | {one.measured} | {one.word} |" for one in verdicts),
            "",
            "## Cells",
            "",
            "Medians over the rounds.",
            "",
            "| load | way | requests/s | p50 ms | first body byte p50 ms | no 200 |",
            "| --- | --- | --- | --- | --- | --- |",
            *(row for cell in cells for row in _rows(cell)),
            "",
        ]
    )


def _rows(cell: Cell) -> list[str]:
    return [
        f"| {cell.title} | {name} | {cell.median(name, lambda one: one.rps):,.0f} "
        f"| {cell.median(name, lambda one: one.p50_ms):.2f} "
        f"| {cell.median(name, lambda one: one.first_byte_ms):.2f} "
        f"| {sum(one[name].others for one in cell.rounds)} |"
        for name in cell.contenders
    ]


def machine() -> str:
    """The machine in words: no name, no path."""
    memory = 0
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            memory = round(int(line.split()[1]) / 1024 / 1024)
    return (
        f"{platform.system()} on {platform.machine()}, {cores()} cores, {memory} GB of memory, "
        f"Python {platform.python_version()}; generator, upstream, store and proxies share it"
    )


def cores() -> int:
    return len(os.sched_getaffinity(0))
