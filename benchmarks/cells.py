"""One cell: the same load on several contenders, in turn, for several rounds.

Shared machines are noisy, so contenders are interleaved (a, b, c, a, b, c, …), ratios are taken
within a round, and medians over the rounds are what is quoted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from contenders import HERE, LLM_HOST, Contender

KEY = ("--header", "Authorization: Bearer sk-bench")
CHAT = (
    *("--url", f"https://{LLM_HOST}/v1/chat/completions"),
    *("--body-file", str(HERE / "chat.json"), *KEY),
)


@dataclass(frozen=True)
class Measured:
    """What one run of the generator found."""

    rps: float
    p50_ms: float
    first_byte_ms: float
    processes: Mapping[str, Mapping[str, float]]
    others: int  # answers that were no 200


Round = Mapping[str, Measured]


@dataclass(frozen=True)
class Cell:
    """Rounds of one load; `contenders` in the order in which they ran."""

    title: str
    contenders: Sequence[str]
    rounds: Sequence[Round]

    def median(self, contender: str, what: Callable[[Measured], float]) -> float:
        return median(what(one[contender]) for one in self.rounds)

    def over_rounds(self, ratio: Callable[[Round], float]) -> float:
        """The median of a figure that is taken within each round."""
        return median(ratio(one) for one in self.rounds)


def run_load(contender: Contender, *arguments: str) -> Measured:
    """Run the generator. Raises RuntimeError if more than one answer in 100 was no 200: ours
    refuses while the store is silent for 250 ms, as it is when the whole machine stands still."""
    argv = [sys.executable, str(HERE / "load.py"), *contender.arguments, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the generator failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    # What ours refuses with status 200, for clients of MCP and A2A, counts as "refused".
    good = found["statuses"].get("200", 0)
    others = sum(found["statuses"].values()) - good
    if not good or others * 100 > good or found["errors"]:
        raise RuntimeError(
            f"{contender.name}: not all answers were 200: {found['statuses']} {found['errors']}"
        )
    return Measured(
        found["rps"], found["p50_ms"], found["first_byte_p50_ms"], found["processes"], others
    )


def run_cell(title: str, contenders: Mapping[str, Contender], rounds: int, *arguments: str) -> Cell:
    """Measure each contender in each round."""
    print(title, end="", flush=True)
    measured = []
    for _ in range(rounds):
        measured.append({name: run_load(one, *arguments) for name, one in contenders.items()})
        print(".", end="", flush=True)
    print(flush=True)
    return Cell(title, list(contenders), measured)


def pid_arguments(pids: Sequence[int]) -> list[str]:
    """Make the generator report on these processes too."""
    return [text for pid in pids for text in ("--pid", f"{pid}={pid}")]


def write_streamed_body(directory: Path) -> Path:
    """The chat request, asking for a stream."""
    body = json.loads((HERE / "chat.json").read_bytes()) | {"stream": True}
    path = directory / "chat-stream.json"
    path.write_text(json.dumps(body))
    return path
