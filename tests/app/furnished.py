"""A platform as it looks after a day of work: agents of all states, traffic, policies, servers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.app import web
from tests.app.archived import archive, conversation
from tests.app.conftest import Platform
from tests.app.library import Library, tool

AGENTS = ("researcher", "file-clerk", "reviewer", "planner", "summariser")
_EXAMPLES = Path(__file__).parents[2] / "examples"
_STRICT = (_EXAMPLES / "policy-strict.yaml").read_text("utf-8")
_FLEXIBLE = (_EXAMPLES / "policy-flexible.yaml").read_text("utf-8")
_MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1", "o4-mini")
_TOOLS = (("files", "read"), ("files", "search"), ("library", "search"), ("files", "read"))
_REFUSED = ("tool-not-allowed", "argument-not-allowed", "tool-not-allowed", "graph_violation")
_CONVERSATIONS, _APART_MS = 48, 29 * 60_000


@contextmanager
def furnished(platform: Platform) -> Iterator[str]:
    """The id of the newest trace."""
    library = Library()
    try:
        _agents(platform)
        _servers(platform, library)
        yield _traffic(platform)
    finally:
        library.stop()


def _agents(platform: Platform) -> None:
    for role in ("operator", "viewer"):
        platform.person(role)
    for agent_id in AGENTS:
        platform._control("POST", "/agents", json={"agent_id": agent_id})
        _put(platform, agent_id, _FLEXIBLE, "as agreed with the data team")
    platform.give(AGENTS[0], platform.person("operator"))
    policy = yaml.safe_load(_FLEXIBLE)
    policy["max_tokens_per_turn"] = 8000
    policy["allowed_tools"] = ["files/read", "files/search", "library/search"]
    _put(platform, AGENTS[0], yaml.safe_dump(policy, sort_keys=False), "the tools it has now")
    policy = yaml.safe_load(_STRICT)
    steps = policy["graph"]["steps"]
    steps[1]["next_steps"] = [3]
    steps.append({"step_id": 3, "call_type": "llm", "callee_id": "openai/gpt-4.1", "max_loops": 4})
    _put(platform, AGENTS[0], yaml.safe_dump(policy, sort_keys=False), "in this order only")
    platform.register("newcomer")
    platform.register("runaway")
    platform._control("POST", "/agents/runaway/approve")
    platform._control("POST", "/agents/runaway/quarantine")


def _put(platform: Platform, agent_id: str, text: str, comment: str) -> None:
    headers, query = {"Content-Type": "application/yaml"}, {"comment": comment}
    platform._control("PUT", f"/policy/{agent_id}", content=text, params=query, headers=headers)


def _servers(platform: Platform, library: Library) -> None:
    for name in ("library", "files", "billing"):
        # by itself, without a key: so it waits for approval
        asked = {"name": name, "url": library.url}
        place = f"{platform.control_url}/register?kind=mcp"
        assert web.post(place, json=asked).is_success
    for name in ("library", "files"):
        platform._control("POST", f"/mcp_servers/{name}/approve")
    library.tools = [*library.tools[:1], tool("burn", "Burns a book")]
    platform._control("POST", "/mcp_servers/library/probe")
    own = {"name": "own-llm", "url": "http://127.0.0.1:9/", "dialect": "ollama"}
    platform._control("POST", "/llms", json=own)
    platform._control("POST", "/auth/api-keys", json={"label": "nightly export", "role": "viewer"})


def _traffic(platform: Platform) -> str:
    """All of it archived at once: what is archived later must be newer."""
    calls: list[dict[str, Any]] = []
    trace_id = ""
    for number in range(_CONVERSATIONS):
        trace_id = secrets.token_hex(16)
        agent, peer = AGENTS[number % 5], AGENTS[(number * 2 + 1) % 5]
        ago = (_CONVERSATIONS - 1 - number) * _APART_MS
        said = conversation(trace_id, agent, peer)
        calls += [_varied(one, number, ago) for one in said if _happened(one, number)]
    archive(platform, calls)
    return trace_id


def _happened(call: dict[str, Any], number: int) -> bool:
    """In every third conversation something is refused, in every second one is a shadow, in
    every fifth an error; in the newest all of it."""
    back = _CONVERSATIONS - 1 - number
    return not (
        (call.get("denied") and back % 3)
        or (call.get("would_deny") and back % 2)
        or (call.get("error") and back % 5)
    )


def _varied(call: dict[str, Any], number: int, ago_ms: int) -> dict[str, Any]:
    """So that charts and lists have more than one of each."""
    varied = {**call, "ts": call["ts"] - ago_ms, "latency_ms": 180.0 + 37 * (number % 11)}
    varied["latency_ms"] += varied["ts"] % 700
    if call["kind"] == "llm":
        varied["model"] = _MODELS[number % 4]
        varied["tokens_in"] = call.get("tokens_in", 0) * (1 + number % 5)
    elif call.get("denied"):
        varied["denial_reason"], varied["tool"] = _REFUSED[number % 4], "delete"
    elif call["kind"] == "mcp":
        varied["target"], varied["tool"] = _TOOLS[number % 4]
    return varied
