"""docs/benchmarks-archive.md: a section for each benchmark of the archive, each written anew by
the run that measured it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from report import machine

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "benchmarks-archive.md"
_HEAD = """# Benchmarks of the archive and the web UI

Written by `benchmarks/million.py` and the scripts that it runs, a section each. Times are of a
machine that did other things too: its load stands beside them.
"""


def write(title: str, how: str, table: Sequence[Sequence[str]], document: Path = DOCUMENT) -> None:
    """Puts a section in the place of the one with this title. `how` is its command and what was
    measured; the first row of `table` names its columns."""
    heads, *rows = table
    lines = [
        f"## {title}",
        "",
        how,
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load of the machine {load()}. {machine()}.",
        "",
        f"| {' | '.join(heads)} |",
        f"|{' --- |' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    sections = dict(_sections(document.read_text())) if document.exists() else {}
    sections[title] = "\n".join(lines)
    document.write_text("\n".join([_HEAD, *(f"{one}\n" for one in sections.values())]))


def load() -> str:
    """The average load of the last minute, and of how many cores."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("\n## ")[1:]:
        yield part.partition("\n")[0], f"## {part.rstrip()}"


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a database on a PostgreSQL of this run alone, with the settings of the tests."""
    from tests.postgres import PostgresServer

    server = PostgresServer()
    try:
        server.start()
        yield server.create()
    finally:
        server.remove()
