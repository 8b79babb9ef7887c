"""The kinds of governed calls beside each other: LLM, MCP tool as JSON and as an event, A2A.

They are ways of one cell, so that their ratios are taken within a round. Answers are of one size,
and are compared with an LLM's answer of the same form: JSON with JSON, events with events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cells import KEY, Cell, Measured, pid_arguments, run_cell
from contenders import (
    HERE,
    LLM_HOST,
    PEER,
    TOOLS_HOST,
    TOOLS_JSON,
    TOOLS_SSE,
    Contender,
    Platform,
)
from report import Verdict

LLM = "LLM call"
LLM_EVENTS = "LLM call, SSE"
_ACCEPT = ("--header", "Accept: application/json, text/event-stream")
_TOLERANCE = 0.1
"""Of a ratio that is to be 1: what two runs of the same call differ by on a shared machine."""


@dataclass(frozen=True)
class Kind:
    """One kind of call. `secure` and `plain`: its URL over https, and over http."""

    name: str
    secure: str
    plain: str
    body: str
    headers: tuple[str, ...]
    beside: str = LLM

    def of(self, ours: Contender, scheme: str) -> Contender:
        """The agent making this call."""
        url = self.secure if scheme == "https" else self.plain
        call = ("--url", f"{scheme}://{url}", "--body-file", str(HERE / self.body))
        return replace(ours, name=self.name, arguments=(*ours.arguments, *call, *self.headers))


_CHAT_PATH = "/v1/chat/completions"
_MCP_HEADERS = (*_ACCEPT, "--header", "MCP-Protocol-Version: 2025-11-25")
KINDS = (
    Kind(LLM, LLM_HOST + _CHAT_PATH, LLM_HOST + _CHAT_PATH, "chat.json", KEY),
    Kind(LLM_EVENTS, LLM_HOST + _CHAT_PATH, LLM_HOST + _CHAT_PATH, "chat-events.json", KEY),
    Kind("MCP tool call, JSON", f"{TOOLS_HOST}/mcp", f"{TOOLS_JSON}/mcp", "mcp.json", _MCP_HEADERS),
    Kind(
        "MCP tool call, SSE",
        f"{TOOLS_HOST}/mcp-events",
        f"{TOOLS_SSE}/mcp",
        "mcp.json",
        _MCP_HEADERS,
        LLM_EVENTS,
    ),
    Kind("A2A call", f"{PEER}/", f"{PEER}/", "a2a.json", ("--header", "A2A-Version: 1.0")),
)


def kinds(
    platform: Platform, rounds: int, timing: Sequence[str]
) -> tuple[list[Verdict], list[Cell]]:
    """Latency at one connection and throughput at 16, over https and http."""
    ours = platform.contender("bench-kinds")
    pids = pid_arguments(platform.workers)
    cells = {
        (scheme, count): run_cell(
            f"governed calls, {scheme}, keep-alive, {count} conn.",
            {kind.name: kind.of(ours, scheme) for kind in KINDS},
            rounds,
            *("-c", str(count), *timing, *pids),
        )
        for scheme in ("https", "http")
        for count in (1, 16)
    }
    verdicts = [
        _verdict(kind, scheme, cells[scheme, 1], cells[scheme, 16])
        for scheme in ("https", "http")
        for kind in KINDS[2:]
    ]
    return verdicts, list(cells.values())


def _verdict(kind: Kind, scheme: str, one: Cell, many: Cell) -> Verdict:
    name, llm = kind.name, kind.beside
    slower = one.over_rounds(lambda r: r[name].p50_ms / r[llm].p50_ms)
    faster = many.over_rounds(lambda r: r[name].rps / r[llm].rps)
    work = many.over_rounds(lambda r: cpu(r[name]) / cpu(r[llm]))
    return Verdict(
        f"{name}, {scheme}, beside an {llm} of the same size",
        "no slower (± 10 %): p50 at 1 connection, throughput at 16",
        f"{slower:.2f} × the p50, {faster:.2f} × the throughput, {work:.2f} × a worker's CPU",
        slower <= 1 + _TOLERANCE and faster >= 1 - _TOLERANCE,
    )


def cpu(one: Measured) -> float:
    """Of the workers for one call, ms."""
    return sum(used["cpu_ms_per_request"] for used in one.processes.values())
