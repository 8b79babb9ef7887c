"""Calls put into the archive of the running platform, as the archiver would."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

from amaze_proxy.history.bundle import open_history
from tests.app.conftest import Platform
from tests.history.calls import Book

LONG = {"messages": [{"role": "user", "content": f"needle {'x' * 40_000} the end of it"}]}


def archive(platform: Platform, calls: list[dict[str, object]]) -> list[str]:
    """Archives these calls, by their fields, and gives back their decision ids."""

    async def work() -> list[str]:
        history = await open_history(f"sqlite:///{platform.directory / 'data' / 'history.db'}")
        try:
            book = Book(history, f"w{time.monotonic_ns()}")
            made = [book.call(**call) for call in calls]  # type: ignore[arg-type]
            await book.save()
            return [one.decision_id for one in made]
        finally:
            await history.close()

    # a browser may be open in this thread, and then no event loop can run here
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work()).result()


def conversation(trace_id: str, agent: str, peer: str) -> list[dict[str, object]]:
    """Two agents, a model, a tool that is refused, one in shadow, one that fails."""
    begun = time.time_ns() // 1_000_000 - 5_000
    common = {"trace_id": trace_id, "policy_version": 3, "status": 200, "latency_ms": 420.0}
    mine = {**common, "agent_id": agent, "turn_id": f"{trace_id}-1"}
    theirs = {**common, "agent_id": peer, "turn_id": f"{trace_id}-2", "parent_span_id": "s2"}
    llm = {"kind": "llm", "provider": "openai", "target": "api.openai.com", "model": "gpt-4.1"}
    calls: list[dict[str, object]] = [
        {
            **mine,
            **llm,
            "span_id": "s1",
            "tokens_in": 1200,
            "tokens_out": 80,
            "cost_microusd": 4200,
            "limits": '[["tokens",5000,1280],["cost",1000000,4200]]',
            "input": json.dumps(LONG),
            "input_size": len(json.dumps(LONG)),
            "output": json.dumps({"choices": [{"message": {"content": "Ask the other one."}}]}),
        },
        {
            **mine,
            "kind": "a2a",
            "target": peer,
            "path": "/",
            "method": "message/send",
            "span_id": "s2",
        },
        {**theirs, **llm, "span_id": "s3", "tokens_in": 300, "tokens_out": 20},
        {
            **theirs,
            "kind": "mcp",
            "target": "files",
            "tool": "files/delete",
            "span_id": "s4",
            "status": 403,
            "denied": True,
            "denial_reason": "tool-not-allowed",
        },
        {
            **theirs,
            "kind": "mcp",
            "target": "files",
            "tool": "files/read",
            "span_id": "s5",
            "would_deny": "budget_exceeded",
        },
        {**mine, **llm, "span_id": "s6", "error": "upstream reset", "status": 502},
        {
            **mine,
            **llm,
            "span_id": "s7",
            "tokens_in": 900,
            "tokens_out": 120,
            "limits": '[["tokens",5000,2300],["cost",1000000,9000]]',
        },
    ]
    return [{**call, "ts": begun + 600 * place} for place, call in enumerate(calls)]
