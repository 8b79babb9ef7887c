"""What the terminal shows of the demo: a line for each call, and why one is refused."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.padding import Padding
from rich.text import Text

from amaze_proxy.demo import cast
from amaze_proxy.demo.operator import Record

_CALLER, _TARGET, _HOP, _INDENT = 16, 25, 2, 9  # columns; a line has 80 at most
_OURS = "aMaze: "


def heading() -> Text:
    """The columns of `call`."""
    return Text(f"{'began':<8} {'who calls':<{_CALLER}} {'what':<{_TARGET}} verdict", style="bold")


def is_housekeeping(record: Record) -> bool:
    """Whether it is one of MCP's calls that only prepare others (initialize, tools/list, …)."""
    return record["kind"] == "mcp" and not record["tool"] and not record["denied"]


def call(record: Record) -> Text:
    """One call on one line."""
    at = time.strftime("%H:%M:%S", time.localtime(record["ts"] / 1000))
    hops = 0 if record["agent_id"] == cast.RESEARCHER else 1
    caller = " " * (hops * _HOP) + record["agent_id"]
    line = Text(f"{at} {caller:<{_CALLER}} {_target(record):<{_TARGET}} ")
    if record["denied"]:
        return line.append(f"refused {record['denial_reason']}", style="red")
    tokens = record["tokens_in"] + record["tokens_out"]
    line.append("allowed", style="green")
    return line.append(f" {record['latency_ms']:>5.0f} ms" + f", {tokens} tokens" * bool(tokens))


def why(record: Record) -> Padding | None:
    """Why the call was refused, and what to do, as the agent reads it; None: it was not."""
    if not record["denied"]:
        return None
    return Padding(Text(_words(record), style="yellow"), (0, 0, 0, _INDENT), expand=False)


def reply(text: str) -> Text:
    """What the user is told, on one line; a refusal in it is shown with its call."""
    said = text.partition(_OURS)[0].strip()
    return Text(f'{cast.RESEARCHER} → user: "{said}"')


def trace(calls: Sequence[Record]) -> Text:
    """The trace that the calls are in."""
    agents = " and ".join(dict.fromkeys(record["agent_id"] for record in calls))
    number = "1 call" if len(calls) == 1 else f"{len(calls)} calls"
    words = f"{number} of {agents}, one trace: {calls[0]['trace_id']}"
    return Text(words, style="dim")


def _target(record: Record) -> str:
    match record["kind"]:
        case "llm":
            provider = record["target"].removeprefix("api.").partition(".")[0]
            return f"model {provider}/{record['model']}"
        case "mcp":
            return f"tool  {record['target']}/{record['tool'] or record['method']}"
        case "a2a":
            return f"agent {record['target']}"
        case _:
            return str(record["target"])


def _words(record: Record) -> str:
    """The text in our refusal, without what stands in its brackets."""
    try:
        answer = json.loads(record["output"])
    except ValueError:
        return str(record["error"])
    found = next((text for text in _texts(answer) if text.startswith(_OURS)), "")
    return found.removeprefix(_OURS).rpartition(" [")[0]


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for one in value.values():
                yield from _texts(one)
        case list():
            for one in value:
                yield from _texts(one)


def summary(records: Sequence[Record]) -> Text:
    """What was shown, in numbers."""
    calls = [one for one in records if not is_housekeeping(one)]
    reasons = Counter(one["denial_reason"] for one in calls if one["denied"])
    cost = sum(one["cost_microusd"] for one in records) / 1e6
    tokens = sum(one["tokens_in"] + one["tokens_out"] for one in records)
    return Text(
        f"\n{len(calls) - reasons.total()} calls allowed, {reasons.total()} refused "
        f"({', '.join(reasons)}).\n"
        f"{tokens:,} tokens, ${cost:.6f}. {len(records) - len(calls)} more calls were MCP's own "
        "(initialize, tools/list, …): `amaze audit tail` shows them too.",
    )
