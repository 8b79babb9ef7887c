"""The addresses of the UI."""

from __future__ import annotations

from urllib.parse import urlencode

AGENTS = "/agents"
CALLS = "/calls"
ENDED = "/ended"
"""Where a tab goes whose session is over; inside the application, so without a page load."""

PAGES = (AGENTS, CALLS, ENDED)
HOME = AGENTS
LOGIN = "/login"
LOGOUT = "/logout"
HEALTH = "/health"
FRONT = "/front/"
"""Files of the login page."""


def with_query(path: str, **values: str) -> str:
    """`path` with the values that are not empty as its query."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path
