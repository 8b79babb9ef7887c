# mypy: ignore-errors
# (its packages are not in the platform's environment)
"""An MCP server made with fastmcp, which makes itself known to aMaze.

Who may call it is for an operator to say, which of its tools for the policy of each agent.
"""

import logging
import os
import sys
import warnings

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse

with warnings.catch_warnings(record=True):  # a package below it insists on being deprecated
    from fastmcp import FastMCP

NAME = "library"
BOOKS = {"Budgets for agents": "A budget is refilled with each message. It stops, it never warns."}

server = FastMCP(NAME)


@server.tool
def search(topic: str) -> list[str]:
    """The titles on a topic."""
    return [title for title in BOOKS if topic.lower() in title.lower()]


@server.tool
def read(title: str) -> str:
    """The text with this title."""
    return BOOKS.get(title, "There is no such text.")


@server.tool
def save_draft(title: str, text: str) -> str:
    """Keeps a draft."""
    return f"Saved {len(text)} characters as a draft of {title!r}."


@server.tool
def delete(title: str) -> str:
    """Removes a text for good."""
    BOOKS.pop(title, None)
    return f"{title!r} is gone."


@server.custom_route("/health", methods=["GET"])
async def health(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def register(port: int) -> None:
    """`POST /register?kind=mcp`: without the enrolment key it waits for an operator."""
    key = os.environ.get("AMAZE_ENROLL_KEY")
    answer = httpx.post(
        f"{os.environ['AMAZE_ORCHESTRATOR_URL']}/register",
        params={"kind": "mcp"},
        json={"name": NAME, "url": f"http://127.0.0.1:{port}/mcp"},
        headers={"X-Amaze-Enroll-Key": key} if key else {},
        trust_env=False,
    )
    if answer.is_error:
        sys.exit(f"{NAME} could not register: {answer.text}")


if __name__ == "__main__":
    port = int(sys.argv[1])
    register(port)
    # It takes a client's end of a session for an error, and prints where.
    logging.getLogger("mcp.server.streamable_http").setLevel(logging.CRITICAL)
    server.run(
        "http",
        host="127.0.0.1",
        port=port,
        path="/mcp",
        show_banner=False,
        log_level="warning",
        uvicorn_config={"timeout_graceful_shutdown": 1},
    )
