"""The addresses of the UI."""

from __future__ import annotations

from urllib.parse import urlencode

OVERVIEW = "/overview"
AGENTS = "/agents"
AGENT = "/agents/[agent_id]"
TRACES = "/traces"
ALERTS = "/alerts"
MCP = "/mcp"
LLMS = "/llms"
AUDIT = "/audit"
PEOPLE = "/people"
SETTINGS = "/settings"
ENDED = "/ended"
"""Where a tab goes whose session is over; inside the application, so without a page load."""

PAGES = (OVERVIEW, AGENTS, ENDED)
"""The pages that there are, without those that have a name of something in their path."""

HOME = OVERVIEW
LOGIN = "/login"
LOGOUT = "/logout"
PASSWORD = "/password"  # noqa: S105
HEALTH = "/health"
FRONT = "/front/"
"""Files of the login page."""


def with_query(path: str, **values: str) -> str:
    """`path` with the values that are not empty as its query."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


def agent(agent_id: str) -> str:
    """The page of an agent, once there is one; until then, the agent in the list."""
    if AGENT in PAGES:
        return f"{AGENTS}/{agent_id}"
    return with_query(AGENTS, q=agent_id)
