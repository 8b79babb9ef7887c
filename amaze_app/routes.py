"""The addresses of the UI."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

OVERVIEW = "/overview"
AGENTS = "/agents"
AGENT = "/agents/[agent_id]"
POLICY = "/agents/[agent_id]/policy"
TRACES = "/traces"
TRACE = "/traces/[trace_id]"
ALERTS = "/alerts"
MCP = "/mcp"
LLMS = "/llms"
AUDIT = "/audit"
PEOPLE = "/people"
SETTINGS = "/settings"
ENDED = "/ended"
"""Where a tab goes whose session is over; inside the application, so without a page load."""

PAGES = (OVERVIEW, AGENTS, TRACES, ALERTS, MCP, LLMS, AUDIT, PEOPLE, SETTINGS, ENDED)
"""The pages that there are, without those that have a name of something in their path."""

NAMED = (TRACE, AGENT, POLICY)
"""Those that have: the build has one file for all of them."""

DOWNLOADS = "/download/"
"""Files for those who have a session."""

EVIDENCE = f"{DOWNLOADS}amaze-evidence.zip"
CA = f"{DOWNLOADS}ca.pem"
AUDIT_KEY = f"{DOWNLOADS}audit-key.pem"

HOME = OVERVIEW
LOGIN = "/login"
LOGOUT = "/logout"
PASSWORD = "/password"  # noqa: S105
HEALTH = "/health"
FRONT = "/front/"
"""Files of the login page."""


def pattern(route: str) -> re.Pattern[str]:
    """What the paths of a page match."""
    return re.compile(re.sub(r"\\\[\w+\\\]", "[^/]+", re.escape(route)) + "/?")


_NAMED = tuple(map(pattern, NAMED))


def is_named(path: str) -> bool:
    """Whether it is the path of one of `NAMED`."""
    return any(one.fullmatch(path) for one in _NAMED)


def trace(trace_id: str, call: str = "") -> str:
    """The page of a trace, with the call of this decision id unfolded."""
    return with_query(f"{TRACES}/{quote(trace_id, safe='')}", call=call)


def with_query(path: str, **values: str) -> str:
    """`path` with the values that are not empty as its query."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


def agent(agent_id: str, **values: str) -> str:
    """The page of an agent."""
    return with_query(f"{AGENTS}/{quote(agent_id, safe='')}", **values)


def policy_version(agent_id: str, number: int) -> str:
    """Where a version of an agent's policy is shown."""
    return policy(agent_id, tab="versions", to=str(number))


def policy(agent_id: str, **values: str) -> str:
    """The page of an agent's policy."""
    return with_query(f"{agent(agent_id)}/policy", **values)
