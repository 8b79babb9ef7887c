"""What the real SDKs of three versions wrote and read: see `recorded_with` in the files."""

from __future__ import annotations

import json
from pathlib import Path

DATA = Path(__file__).parents[2] / "data" / "a2a"


def _exchanges():
    for path in sorted(DATA.glob("*.json")):
        for exchange in json.loads(path.read_text())["exchanges"]:
            yield f"{path.stem} {exchange['name']}", exchange


def pytest_generate_tests(metafunc):
    """`exchange`: each of the recorded ones; `finished`: each stream of a task that came to its
    end (one that asks back ends without)."""
    chosen = list(_exchanges())
    if "finished" in metafunc.fixturenames:
        chosen = [(n, e) for n, e in chosen if e["answer"]["sse"] and not n.endswith("ask")]
    for name in {"exchange", "finished"} & set(metafunc.fixturenames):
        metafunc.parametrize(name, [e for _, e in chosen], ids=[n for n, _ in chosen])
